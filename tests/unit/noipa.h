/* noipa.h - NOIPA: a function that is called as it is written, so that its frame and its arguments
 * are there to be looked at. gcc has a word for it; clang knows noinline only, and warns of the
 * other. */
#ifndef TEST_NOIPA_H
#define TEST_NOIPA_H

#if __has_attribute(noipa)
#define NOIPA __attribute__((noipa))
#else
#define NOIPA __attribute__((noinline))
#endif

#endif
