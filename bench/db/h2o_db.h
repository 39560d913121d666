/* h2o_db.h - PostgreSQL for the libh2o program: connections in pipeline mode on libh2o's loop.
 *
 * What is sent in a turn of the loop leaves with one flush per connection at its end, and one Sync:
 * what is to be a transaction of its own gets its own by db_commit(). Or each statement has a Sync
 * of its own (DB_SYNC_EACH), as in h2o's own benchmark application.
 *
 * One thread. If a connection is lost, the program ends: this is a benchmark.
 */
#ifndef H2O_DB_H
#define H2O_DB_H

#include <h2o.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum statement { GET, SET, FORTUNES, ITEM, ITEMS, ITEM_SET };
enum db_sync { DB_SYNC_TURN, DB_SYNC_EACH };

/* Who waits for results. */
struct db_waiter {
    /* For each statement, in the order sent. NULL: it failed, or was skipped because another one in
     * front of the same Sync failed. The result is freed behind the call. */
    void (*on_result)(struct db_waiter *, const PGresult *);
    void (*on_commit)(struct db_waiter *); /* the answer to db_commit's Sync, if there is one */
};

struct db;

void db_open(h2o_loop_t *loop, const char *url, int connections, enum db_sync);

/* The connection that sends something at the end of this turn anyway, else the one that waits for
 * the fewest results; NULL: no room for more statements. */
struct db *db_pick(void);

/* `params`: as many as the statement has, all bigint. */
void db_send(struct db *, struct db_waiter *, enum statement, const uint64_t *params);

/* One update of `n` rows, which may be 64 at most: each gets the value beside its id. */
void db_send_rows(struct db *, struct db_waiter *, const uint64_t *ids, const uint64_t *values,
                  int n);

/* What was sent on this connection since the last Sync is one transaction, and ends here. */
void db_commit(struct db *, struct db_waiter *);

/* To be called at the end of each turn. */
void db_flush(void);

/* A bigint of a result in binary. */
uint64_t db_number(const PGresult *, int row, int column);

#endif
