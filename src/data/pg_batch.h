/* pg_batch.h - private to the PostgreSQL driver: a batch of calls that one statement answers: their
 * keys, and what each of them is told. When it leaves, and who may join it, is its gather's
 * (pg_gather.h).
 *
 * From pd_pg_batch_new until it is told (pd_pg_batch_tell, pd_pg_batch_run) calls join it and wait;
 * then it is free as soon as the last of them has heard. Threading: a batch belongs to its pool's
 * loop.
 */
#ifndef PD_PG_BATCH_H
#define PD_PG_BATCH_H

#include "data/pg.h"

enum { PG_BATCH_SLOTS = 2 * PD_BATCH_MAX /* a power of two */ };

enum pg_verdict {
    PG_WAITS,
    PG_ANSWERED,
    PG_FIRST, /* runs by itself, and is on its way meanwhile */
    PG_ALONE, /* runs by itself */
    PG_FAILED,
};

struct pg_caller { /* on the stack of its fiber, which gives `out` and PG_WAITS */
    struct pd_list node;
    struct pg_batch *batch;
    struct pd_fiber *fiber;
    struct pd_result *out;
    enum pg_verdict verdict;
    bool spoilt; /* its row could not be stored */
};

struct pg_batch {
    struct pg_gather *of;       /* whose it is; nothing of it is known here */
    struct pg_pool *pool;       /* the thread's first */
    const struct pd_stmt *stmt; /* the callers' */
    struct pg_batch *next;      /* that is full, or free */
    struct pd_reads reads;      /* of all: the highest floor */
    pd_mono began;              /* the earliest session's */
    pd_mono deadline;           /* the latest */
    struct pd_fiber *runner;
    struct pg_session *session; /* the runner's, while it reads */
    int64_t waited_us;          /* the runner, for a connection */
    bool replica;               /* answered by one */
    bool over;                  /* everybody has been told; it is free when they have heard */
    unsigned ncallers;          /* that wait, or have not heard yet */
    unsigned nkeys;
    unsigned ends[PD_BATCH_MAX]; /* of each key in `bytes` */
    char bytes[PD_BATCH_BYTES];
    struct pd_list callers[PD_BATCH_MAX]; /* of each key; those who left are not there */
    uint16_t places[PD_BATCH_MAX];        /* of the key in `table` */
    uint16_t table[PG_BATCH_SLOTS];       /* open addressing: 1 + index of a key; 0: free */
    struct pd_diag why;                   /* PG_FAILED */
};

/* An empty one, for calls of a statement that has a `batch`. NULL: no memory. */
struct pg_batch *pd_pg_batch_new(struct pg_gather *of, struct pg_pool *pool,
                                 const struct pd_stmt *stmt);
/* Nobody waits for it, and it does not run. */
void pd_pg_batch_free(struct pg_batch *b);
/* Those that are kept for later, when nothing runs any more. */
void pd_pg_batches_free(struct pg_pool *pool);

/* Is there room for the key, or is it there? Only then: */
bool pd_pg_batch_takes(const struct pg_batch *b, pd_str key);
/* Adds the calling fiber, whose session began then; the key is copied. It must wait then. */
void pd_pg_batch_join(struct pg_batch *b, pd_str key, struct pg_caller *me, pd_mono began);
/* Waits for the verdict, until the caller's deadline, and leaves the batch. PD_OK: me->verdict says
 * what is to be done; else the call has failed. */
pd_err pd_pg_batch_wait(struct pg_session *s, struct pg_caller *me,
                        const struct pd_stmt *stmt) PD_MUST PD_YIELDS;
/* The last word to those who wait; who could not be given its row runs by itself. Where all have
 * left it is free now. */
void pd_pg_batch_tell(struct pg_batch *b, enum pg_verdict v);
/* Reads for all of them in the calling fiber, one of the pool's own, whose deadline it changes;
 * they are told. The batch is not the caller's any more. */
void pd_pg_batch_run(struct pg_batch *b) PD_YIELDS;
/* Gives the rows to those who asked for them; `out` is of PD_RESULT_BATCH. PD_OK: all were told. */
pd_err pd_pg_batch_store(struct pd_result *out, const PGresult *r) PD_MUST;

#endif
