/* siphash.h - SipHash-c-d, a keyed hash that whoever chooses the input cannot steer.
 *
 * J.-P. Aumasson, D. J. Bernstein: "SipHash: a fast short-input PRF" (2012), written from the
 * paper. SipHash-1-3 is what hash tables use; SipHash-2-4 is the one with published test vectors.
 */
#ifndef PD_SIPHASH_H
#define PD_SIPHASH_H

#include <pando/str.h>

uint64_t pd_siphash13(const uint64_t key[2], const void *bytes, size_t n);
uint64_t pd_siphash24(const uint64_t key[2], const void *bytes, size_t n);
/* Same as pd_siphash13 of v's eight bytes, little-endian. */
uint64_t pd_siphash13_u64(const uint64_t key[2], uint64_t v);

#endif
