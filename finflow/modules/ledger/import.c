/* import.c - `finflow import`: a bank's statement of any size, in constant memory.
 *
 * The file is read through a fixed buffer; the rows that end in one fill of it are a batch, with a
 * transaction and an arena of its own. Nothing is read while a transaction is open: whoever holds
 * the writer must not wait for a disk. What was imported is remembered row by row
 * (ledger_import_row): a run takes one equal row that it has not met yet, or books a new one. So a
 * file may be sent twice, or again after the program was killed half-way, and nothing is booked
 * twice; and a statement that really has the same coffee twice on one day keeps both.
 */
#include "args.h"
#include "ledger/post.h"
#include "ledger/statement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { CHUNK = 128 << 10, EXIT_USAGE = 64, EXIT_FILE = 66 };

struct import {
    struct pd_ctx *c; /* the command's; batches have their own */
    struct pd_ctx batch_ctx;
    struct pd_arena arena;
    struct ledger_batch *batch;
    struct statement statement;
    struct csv *csv;
    pd_id account_id, org_id, run;
    int fd;
    char *chunk;
    ssize_t got;
    int read_errno;
    int64_t rows, imported, skipped, refused;
    bool below_zero; /* a row was refused because the account would have been */
};

/* --- reading --------------------------------------------------------------------------------- */

static void read_blocking(void *arg)
{
    struct import *im = arg;
    do
        im->got = read(im->fd, im->chunk, CHUNK);
    while (im->got < 0 && errno == EINTR);
    im->read_errno = errno;
}

static pd_err read_chunk(struct import *im, pd_str *out)
{
    PD_TRY(pd_offload(read_blocking, im));
    if (im->got < 0)
        return pd_fail_errno(PD_EIO, im->read_errno, "cannot read the file");
    *out = pd_str_n(im->chunk, (size_t)im->got);
    return PD_OK;
}

/* --- batches --------------------------------------------------------------------------------- */

static pd_err batch_begin(struct import *im)
{
    pd_ctx_init(&im->batch_ctx, im->c->db, &im->arena);
    im->batch_ctx.org_id = im->org_id;
    im->batch = ledger_batch_begin(&im->batch_ctx, im->org_id);
    pd_err e = im->batch_ctx.failed;
    if (e != PD_OK)
        pd_ctx_fini(&im->batch_ctx);
    return e;
}

static pd_err batch_end(struct import *im)
{
    ledger_batch_end(im->batch);
    pd_err e = pd_commit(&im->batch_ctx);
    pd_ctx_fini(&im->batch_ctx);
    pd_arena_reset(&im->arena);
    return e;
}

static void refuse(struct import *im, const char *why)
{
    im->refused++;
    fprintf(stderr, "row %ld: %s\n", im->csv->row, why);
}

static void book(struct import *im, const struct statement_row *row)
{
    struct pd_ctx *c = &im->batch_ctx;
    if (ledger_import_row_meet(c, im->run, im->account_id, row->day, row->amount, row->memo) == 1) {
        im->skipped++;
        return;
    }
    enum ledger_outcome outcome =
        ledger_batch_outside(im->batch, im->account_id, pd_uuid_new(), row->amount, row->memo,
                             PD_NONE, pd_date_start(row->day));
    if (c->failed)
        return; /* the batch's end says why */
    if (outcome == LEDGER_TOO_LITTLE) {
        im->below_zero = true;
        refuse(im, "would leave the account below zero");
    } else if (outcome != LEDGER_MADE) {
        refuse(im, ledger_outcome_text(outcome).ptr);
    } else {
        ledger_import_row_add(c, im->account_id, row->day, row->amount, row->memo, im->run);
        im->imported++;
    }
}

static void take_row(struct import *im, enum csv_event event)
{
    struct statement_row row;
    if (im->csv->row == 1 && im->statement.has_heading)
        return;
    im->rows++;
    const char *wrong =
        event == CSV_TOO_LONG ? "is too long" : statement_row(&im->statement, im->csv, &row);
    if (wrong)
        refuse(im, wrong);
    else
        book(im, &row);
}

/* --- the file -------------------------------------------------------------------------------- */

/* All rows that end in `input`; at the end of the file (empty input) the last one. */
static pd_err take_chunk(struct import *im, pd_str input)
{
    enum csv_event event;
    bool last = input.len == 0;
    PD_TRY(batch_begin(im)); /* nplus1 ok: once for a chunk of the file */
    while (!im->batch_ctx.failed && (event = csv_next(im->csv, &input)) != CSV_MORE)
        take_row(im, event);
    if (last && (event = csv_finish(im->csv)) != CSV_MORE)
        take_row(im, event);
    return batch_end(im);
}

static pd_err take_file(struct import *im)
{
    pd_str input;
    do {
        PD_TRY(read_chunk(im, &input));
        PD_TRY(take_chunk(im, input));
    } while (input.len);
    return PD_OK;
}

/* Looks at the beginning of the file, then goes back to it. */
static pd_err look(struct import *im)
{
    pd_str sample;
    PD_TRY(read_chunk(im, &sample));
    char sep = csv_guess_separator(sample);
    const char *wrong = statement_guess(&im->statement, im->csv, sample, sep);
    if (wrong)
        return pd_fail(PD_EINVAL, "%s", wrong);
    if (lseek(im->fd, 0, SEEK_SET) < 0)
        return pd_fail_errno(PD_EIO, errno, "cannot go back to its beginning");
    csv_init(im->csv, sep);
    return PD_OK;
}

/* --- the command ----------------------------------------------------------------------------- */

/* Notes the run, so that its id is larger than those of all runs before. */
static pd_err begin_run(struct import *im, pd_str file)
{
    struct ledger_import *run =
        ledger_import_insert(im->c, .org_id = im->org_id, .account_id = im->account_id,
                             .file = file, .started_at = pd_time_now());
    im->run = run ? run->id : 0;
    return pd_commit(im->c);
}

/* If it is the command's own context that failed, the platform says why. */
static int fail(const struct pd_ctx *c, pd_str file)
{
    char text[1024];
    if (c->failed)
        return pd_err_exit(c->failed);
    pd_diag_format(pd_diag(), text, sizeof text);
    fprintf(stderr, "finflow import: %.*s: %s\n", PD_ARG(file), text);
    return pd_err_exit(pd_diag()->code);
}

static int report(const struct import *im)
{
    pd_str format = im->statement.date_format;
    fprintf(stderr, "dates were read as %.*s\n", PD_ARG(format));
    if (im->below_zero)
        fprintf(stderr, "an account may not go below zero: deposit what was in it before the "
                        "statement begins, then import the file again\n");
    printf("imported %ld, skipped %ld duplicates, refused %ld of %ld rows\n", im->imported,
           im->skipped, im->refused, im->rows);
    return 0;
}

static int run_import(struct import *im, pd_str file)
{
    pd_arena_init(&im->arena, &(struct pd_arena_opts){ .name = "import", .budget = 64 << 20 });
    pd_err e = look(im);
    if (e == PD_OK)
        e = begin_run(im, file);
    if (e == PD_OK)
        e = take_file(im);
    pd_arena_fini(&im->arena);
    return e == PD_OK ? report(im) : fail(im->c, file);
}

int ledger_import_command(struct pd_ctx *c, int argc, char **argv)
{
    int64_t account_id = 0;
    pd_str file = PD_STR_NULL;
    struct import *im = pd_arena_new(c->arena, struct import);
    struct arg args[] = {
        { "--account", ARG_COUNT, &account_id },
        { "--date", ARG_TEXT, &im->statement.date_name },
        { "--amount", ARG_TEXT, &im->statement.amount_name },
        { "--memo", ARG_TEXT, &im->statement.memo_name },
        { "--date-format", ARG_TEXT, &im->statement.date_format },
    };
    if (!args_read("import", argc, argv, args, sizeof args / sizeof args[0], &file))
        return EXIT_USAGE;
    if (!account_id || !file.len) {
        fprintf(stderr,
                "finflow import: needs --account ID and a file; see finflow import --help\n");
        return EXIT_USAGE;
    }
    im->fd = open(pd_str_cstr(c->arena, file), O_RDONLY | O_CLOEXEC);
    if (im->fd < 0) {
        fprintf(stderr, "finflow import: cannot open %.*s: %s\n", PD_ARG(file), strerror(errno));
        return EXIT_FILE;
    }
    struct ledger_account *account = ledger_account_by_id(c, account_id);
    if (!account) {
        fprintf(stderr, "finflow import: there is no account %ld\n", account_id);
        close(im->fd);
        return EXIT_FILE;
    }
    im->c = c;
    im->account_id = account->id;
    im->org_id = account->org_id;
    im->statement.currency = account->currency;
    im->csv = pd_arena_new(c->arena, struct csv);
    im->chunk = pd_arena_alloc(c->arena, CHUNK);
    int code = run_import(im, file);
    close(im->fd);
    return code;
}
