/* pg_type.h - private to pg_param.c and pg_row.c: PostgreSQL's types, as they are on the wire.
 *
 * Numbers are big-endian; timestamps are microseconds and dates days since 2000-01-01; jsonb has a
 * version byte in front; an array has a header (manual, chapter 55.2, and the receive functions of
 * the types).
 */
#ifndef PD_PG_TYPE_H
#define PD_PG_TYPE_H

#include "data/pg.h"

enum { /* those of its pg_type.h; they never change */
       OID_BOOL = 16,
       OID_BYTEA = 17,
       OID_CHAR = 18,
       OID_NAME = 19,
       OID_INT8 = 20,
       OID_INT2 = 21,
       OID_INT4 = 23,
       OID_TEXT = 25,
       OID_JSON = 114,
       OID_UNKNOWN = 705,
       OID_BOOL_ARRAY = 1000,
       OID_BYTEA_ARRAY = 1001,
       OID_TEXT_ARRAY = 1009,
       OID_INT8_ARRAY = 1016,
       OID_BPCHAR = 1042,
       OID_VARCHAR = 1043,
       OID_DATE = 1082,
       OID_DATE_ARRAY = 1182,
       OID_TIMESTAMPTZ = 1184,
       OID_TIMESTAMPTZ_ARRAY = 1185,
       OID_NUMERIC = 1700,
       OID_UUID = 2950,
       OID_UUID_ARRAY = 2951,
       OID_JSONB = 3802,
       OID_JSONB_ARRAY = 3807,
};

#define EPOCH_DAYS INT64_C(10957) /* 2000-01-01, in days since 1970 */
#define EPOCH_US   (EPOCH_DAYS * 86400 * 1000000)
/* What timestamptz and date can hold: from 4714 BC to 294276 and 5874897 AD, and the infinities.
 * Values beyond are bounds ("newer than anything") and become infinite. */
#define FIRST_DAY INT64_C(-2451545)
#define LAST_DAY  INT64_C(2145031948)
#define FIRST_US  (FIRST_DAY * 86400 * 1000000)
#define LAST_US   INT64_C(9223371331199999999)

#endif
