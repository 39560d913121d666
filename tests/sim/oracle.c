/* oracle.c - see oracle.h. Uses nothing of pando but its value types. */
#include "oracle.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct judge {
    sqlite3 *db;
    unsigned *broken;
    char *first;
    size_t size;
};

static void blame(struct judge *j, const char *what, const char *detail)
{
    if ((*j->broken)++ == 0)
        snprintf(j->first, j->size, "%s%s%s", what, detail[0] ? ": " : "", detail);
}

static sqlite3_stmt *prepare(struct judge *j, const char *sql)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(j->db, sql, -1, &q, NULL) != SQLITE_OK) {
        fprintf(stderr, "oracle: %s\n", sqlite3_errmsg(j->db));
        abort();
    }
    return q;
}

/* A rule is a query for what breaks it. */
static void none(struct judge *j, const char *rule, const char *sql)
{
    sqlite3_stmt *q = prepare(j, sql);
    if (sqlite3_step(q) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(q, 0);
        blame(j, rule, detail ? detail : "");
    }
    sqlite3_finalize(q);
}

static void check_rules(struct judge *j)
{
    none(j, "a transfer does not sum to zero",
         "select transfer_id from ledger_entry group by transfer_id, currency having sum(amount) "
         "<> 0");
    none(j, "a transfer does not have two entries",
         "select t.id from ledger_transfer t left join ledger_entry e on e.transfer_id = t.id "
         "group by t.id having count(e.id) <> 2");
    none(j, "an entry has no transfer",
         "select id from ledger_entry where transfer_id not in (select id from ledger_transfer)");
    none(j, "a balance is not the sum of its entries",
         "select a.id from ledger_account a left join ledger_entry e on e.account_id = a.id "
         "group by a.id having a.balance <> coalesce(sum(e.amount), 0)");
    none(j, "a balance is not its last balance_after",
         "select a.id from ledger_account a join ledger_entry e on e.id = (select max(id) from "
         "ledger_entry "
         "where account_id = a.id) where a.balance <> e.balance_after");
    none(j, "a balance is below zero",
         "select id from ledger_account where balance < 0 and kind <> 'external'");
}

static int stored_times(struct judge *j, const struct oracle_op *op)
{
    sqlite3_stmt *q = prepare(j, "select count(*) from ledger_transfer where key = ?1");
    sqlite3_bind_blob(q, 1, op->id.b, 16, SQLITE_STATIC);
    sqlite3_step(q);
    int n = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return n;
}

static void check_told(struct judge *j, const struct oracle_op *op)
{
    static const char *const wrong[] = { "a transfer of unknown outcome is there more than once",
                                         "an acknowledged transfer is not there exactly once",
                                         "a refused transfer is there" };
    int n = stored_times(j, op);
    char id[PD_UUID_TEXT];
    pd_uuid_format(op->id, id);
    if ((op->told == TOLD_DONE && n != 1) || (op->told == TOLD_NO && n != 0) || n > 1)
        blame(j, wrong[op->told], id);
}

void oracle_judge(const char *path, const struct oracle_op *ops, unsigned n, unsigned *broken,
                  char *first, size_t size)
{
    struct judge j = { .broken = broken, .first = first, .size = size };
    if (sqlite3_open_v2(path, &j.db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        blame(&j, "the database cannot be opened", path);
        sqlite3_close(j.db);
        return;
    }
    check_rules(&j);
    for (unsigned i = 0; i < n; i++)
        check_told(&j, &ops[i]);
    sqlite3_close(j.db);
}
