/* oracle.h - holds the ledger against its rules and against what clients were told, with plain SQL.
 */
#ifndef PD_SIM_ORACLE_H
#define PD_SIM_ORACLE_H

#include <pando/value.h>

enum oracle_told { TOLD_NOTHING, TOLD_DONE, TOLD_NO };

struct oracle_op { /* one transfer as a client knows it */
    pd_uuid id;
    int64_t from, to, amount;
    enum oracle_told told;
};

/* Adds the number of broken rules to *broken and describes the first of all in `first`. */
void oracle_judge(const char *path, const struct oracle_op *ops, unsigned n, unsigned *broken,
                  char *first, size_t size);

#endif
