/* figures.c - see figures.h. Counters have one writer, their thread; who reads adds the threads up.
 */
#include "data/driver.h"
#include "data/slow.h"
#include "run/loop.h"
#include <stdlib.h>

enum {
    EXACT_RUNS = 64,
    QUICK_US = 8,   /* two readings of the clock are a tenth of a microsecond or less */
    SKIP_MAX = 15,  /* one in eight or nine is timed */
    SLOW_TICKS = 10 /* what is slow by the coarse clock is so within a tenth */
};

enum { OTHER, BEGIN, COMMIT, OURS }; /* places; what follows are the modules' statements */

const struct pd_stmt pd_stmt_begin = { .name = "pando.begin", .file = __FILE__, .line = __LINE__ };
const struct pd_stmt pd_stmt_commit = { .name = "pando.commit",
                                        .file = __FILE__,
                                        .line = __LINE__ };
static const struct pd_stmt other = { .name = "pando.other", .file = __FILE__, .line = __LINE__ };
static const struct pd_stmt *const ours[OURS] = { &other, &pd_stmt_begin, &pd_stmt_commit };

/* --- life ----------------------------------------------------------------------------------------
 */

pd_err pd_figures_open(struct pd_db *db)
{
    db->bases = calloc(db->opts.nmodules + 1, sizeof *db->bases);
    if (!db->bases)
        return pd_fail(PD_ENOMEM, "no memory for the figures of statements");
    pthread_mutex_init(&db->figures_lock, NULL);
    int64_t tick = pd_os_tick_us(), slow = db->opts.slow_us;
    db->noticed_us = 2 * tick; /* one passes within a short run, now and then */
    db->quick_us = slow > 0 && slow < SLOW_TICKS * tick ? 0 : QUICK_US;
    db->nfigures = OURS;
    for (unsigned i = 0; i < db->opts.nmodules; i++) {
        db->bases[i] = (struct pd_figures_base){ db->opts.modules[i], db->nfigures };
        db->nfigures += db->opts.modules[i]->nstmts;
    }
    return PD_OK;
}

void pd_figures_close(struct pd_db *db)
{
    struct pd_figures *f;
    if (!db->bases)
        return;
    while ((f = db->figures)) {
        db->figures = f->next;
        free(f);
    }
    pthread_mutex_destroy(&db->figures_lock);
    free(db->bases);
}

/* Most statements of a program do not run on most threads: the memory is touched by those that do.
 */
static struct pd_figures *figures_new(struct pd_db *db)
{
    struct pd_figures *f = calloc(1, sizeof *f + db->nfigures * sizeof f->at[0]);
    if (!f)
        return NULL;
    f->loop = pd_loop_self();
    f->next = db->figures;
    db->figures = f;
    return f;
}

struct pd_figures *pd_figures_self(struct pd_db *db)
{
    pthread_mutex_lock(&db->figures_lock);
    struct pd_figures *f = db->figures;
    while (f && f->loop != pd_loop_self())
        f = f->next;
    if (!f)
        f = figures_new(db);
    pthread_mutex_unlock(&db->figures_lock);
    return f;
}

/* --- counting ------------------------------------------------------------------------------------
 */

static unsigned place_of(const struct pd_db *db, const struct pd_stmt *s)
{
    for (unsigned i = 0; i < db->opts.nmodules; i++)
        if (db->bases[i].module == s->module)
            return db->bases[i].base + s->id;
    return s == &pd_stmt_begin ? BEGIN : s == &pd_stmt_commit ? COMMIT : OTHER;
}

static struct pd_figure *figure_of(const struct pd_session *s, const struct pd_stmt *stmt)
{
    return &s->figures->at[place_of(s->db, stmt)];
}

static int64_t rows_of(const struct pd_result *out, pd_err e)
{
    if (!out || e != PD_OK)
        return 0;
    return out->kind == PD_RESULT_EXEC ? out->changes : (int64_t)out->n;
}

static inline void count(struct pd_figure *f, int64_t rows, bool replica, pd_err e)
{
    pd_counter_add(&f->calls, 1);
    pd_counter_add(&f->rows, (uint64_t)rows);
    if (replica)
        pd_counter_add(&f->replica, 1);
    if (__builtin_expect(e != PD_OK, 0))
        pd_counter_add(&f->errors, 1);
}

/* Of a run that was counted; it stands for n. */
static inline void count_time(struct pd_figure *f, int64_t took, int64_t waited, unsigned n)
{
    pd_hist_add_n(&f->took_us, took > 0 ? (uint64_t)took : 0, n);
    if (waited > 0)
        pd_counter_add(&f->waited_us, (uint64_t)waited);
}

static inline bool is_slow(const struct pd_session *s, int64_t took)
{
    return __builtin_expect(took >= s->db->slow_us, 0);
}

static PD_COLD void note_slow_run(const struct pd_session *s, const struct pd_figure *f,
                                  const struct pd_run *run)
{
    pd_slow_note(s->db, (unsigned)(f - s->figures->at), run);
}

/* 0 … SKIP_MAX, as likely each. A fixed number would meet the program's own rhythm: the third of
 * four reads that every request does. */
static unsigned throw_dice(struct pd_figures *all)
{
    all->dice = all->dice * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return (unsigned)(all->dice >> 60);
}
_Static_assert(SKIP_MAX == 15, "four bits");

/* A write costs more than two readings. What :each takes is its callback's business. */
static bool may_skip(const struct pd_stmt *stmt, const struct pd_result *out)
{
    return (stmt->flags & PD_S_READONLY) && out && out->kind != PD_RESULT_EACH;
}

void pd_figures_begin(struct pd_session *s, const struct pd_stmt *stmt, const struct pd_result *out,
                      struct pd_ran *outer)
{
    if (!s)
        return;
    *outer = s->ran;
    struct pd_figure *f = stmt ? figure_of(s, stmt) : NULL;
    s->ran = (struct pd_ran){ .figure = f };
    if (f && f->skip && may_skip(stmt, out)) {
        f->skip--;
        s->ran.began = pd_os_mono_coarse();
    } else {
        s->ran.how = f && !f->skip ? PD_RAN_SAMPLE : PD_RAN_TIMED;
        s->ran.began = pd_os_mono();
    }
}

static int64_t took(const struct pd_ran *ran, const struct pd_result *out)
{
    return pd_os_mono() - ran->began - ran->waited_us - (out ? out->away_us : 0);
}

static void end_timed(const struct pd_session *s, int64_t took_us)
{
    struct pd_figure *f = s->ran.figure;
    bool sample = s->ran.how == PD_RAN_SAMPLE;
    count_time(f, took_us, s->ran.waited_us, sample ? 1 + f->untimed : 1);
    if (sample)
        f->untimed = 0;
    if (took_us >= s->db->quick_us || pd_counter_get(&f->calls) < EXACT_RUNS)
        f->skip = 0;
    else if (sample)
        f->skip = throw_dice(s->figures);
}

static inline bool is_noticed(const struct pd_session *s)
{
    return pd_os_mono_coarse() - s->ran.began >= s->db->noticed_us;
}

/* It is timed, or was not and is seen to have taken long. */
static __attribute__((noinline)) void end_and_tell(const struct pd_session *s,
                                                   const struct pd_stmt *stmt, const void *params,
                                                   const char *site, pd_err e,
                                                   const struct pd_result *out)
{
    const struct pd_ran *ran = &s->ran;
    int64_t us = took(ran, out);
    end_timed(s, us);
    if (is_slow(s, us))
        note_slow_run(s, ran->figure,
                      &(struct pd_run){ .stmt = stmt,
                                        .site = site,
                                        .params = params,
                                        .took_us = us,
                                        .waited_us = ran->waited_us,
                                        .rows = rows_of(out, e),
                                        .e = e,
                                        .replica = ran->replica });
}

void pd_figures_end(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                    const char *site, pd_err e, const struct pd_result *out,
                    const struct pd_ran *outer)
{
    if (!s)
        return;
    const struct pd_ran *ran = &s->ran;
    count(ran->figure, rows_of(out, e), ran->replica, e);
    if (ran->how == PD_RAN_UNTIMED && !is_noticed(s))
        ran->figure->untimed++;
    else
        end_and_tell(s, stmt, params, site, e, out);
    s->ran = *outer;
}

/* One that has waited is timed from then on: nothing to speak of went before. */
void pd_waited_since(struct pd_session *s, pd_mono from)
{
    struct pd_ran *ran = &s->ran;
    if (__builtin_expect(pd_mono_now() <= from, 1))
        return;
    pd_mono since = from > ran->began ? from : ran->began; /* the turn began before it did */
    ran->waited_us += pd_os_mono() - since;
    if (ran->how != PD_RAN_UNTIMED)
        return;
    ran->how = PD_RAN_TIMED;
    ran->began = since;
}

void pd_waited_with(struct pd_session *s, int64_t us)
{
    s->ran.waited_us += us;
    if (us && s->ran.how == PD_RAN_UNTIMED)
        s->ran.how = PD_RAN_TIMED; /* by the coarse clock it began early enough */
}

/* --- items ---------------------------------------------------------------------------------------
 */

struct flight {
    struct pd_session *s;
    pd_mono last; /* up to here the time has been given out */
    int64_t waited;
    pd_err e;
    const struct pd_item *failed; /* those behind it have not run */
    bool over;
};

static const struct pd_item *skip(const struct pd_item *i)
{
    while (i && !(i->stmt && i->ended))
        i = i->next;
    return i;
}

static unsigned as_late(const struct pd_item *first)
{
    unsigned n = 0;
    for (const struct pd_item *i = first; i && i->ended == first->ended; i = skip(i->next))
        n++;
    return n;
}

static void count_item(struct flight *f, const struct pd_item *i, int64_t took_us)
{
    bool failed = i == f->failed;
    if (f->over)
        return;
    f->over = failed;
    struct pd_figure *figure = figure_of(f->s, i->stmt);
    pd_err e = failed ? f->e : PD_OK;
    int64_t rows = rows_of(&i->out, e);
    count(figure, rows, i->replica, e);
    count_time(figure, took_us, f->waited, 1);
    if (is_slow(f->s, took_us))
        note_slow_run(f->s, figure,
                      &(struct pd_run){ .stmt = i->stmt,
                                        .site = i->wanted.site,
                                        .params = i->params,
                                        .took_us = took_us,
                                        .waited_us = f->waited,
                                        .rows = rows,
                                        .e = e,
                                        .replica = i->replica });
    f->waited = 0; /* they waited together: the first has it */
}

/* Gives those that ended when `i` did their parts. */
static const struct pd_item *count_group(struct flight *f, const struct pd_item *i)
{
    unsigned n = as_late(i);
    int64_t took = i->ended > f->last ? i->ended - f->last : 0;
    f->last += took;
    for (unsigned k = 0; k < n; k++, i = skip(i->next))
        count_item(f, i, took / n + (k < took % n));
    return i;
}

static void count_commit(const struct pd_session *s, int64_t took_us, pd_err e)
{
    struct pd_figure *f = &s->figures->at[COMMIT];
    count(f, 0, false, e);
    count_time(f, took_us, 0, 1);
    if (is_slow(s, took_us))
        note_slow_run(
            s, f,
            &(struct pd_run){
                .stmt = &pd_stmt_commit, .site = "pd_commit", .took_us = took_us, .e = e });
}

void pd_figures_end_items(struct pd_session *s, const struct pd_items *items, pd_err e, bool commit,
                          const struct pd_ran *outer)
{
    pd_mono now = pd_os_mono();
    struct flight f = { s, s->ran.began + s->ran.waited_us,   s->ran.waited_us,
                        e, e == PD_OK ? NULL : items->failed, false };
    for (const struct pd_item *i = skip(items->todo); i;)
        i = count_group(&f, i);
    if (f.failed && f.failed->stmt)
        count_item(&f, f.failed, now - f.last); /* if it has not been */
    else if (commit)
        count_commit(s, now - f.last, e);
    s->ran = *outer;
}

/* --- reading -------------------------------------------------------------------------------------
 */

static void add(struct pd_stmt_stats *to, const struct pd_figure *f)
{
    to->calls += pd_counter_get(&f->calls);
    to->replica_calls += pd_counter_get(&f->replica);
    to->rows += pd_counter_get(&f->rows);
    to->errors += pd_counter_get(&f->errors);
    to->waited_us += pd_counter_get(&f->waited_us);
    pd_hist_merge(&to->took_us, &f->took_us);
}

static const struct pd_stmt *stmt_at(const struct pd_db *db, unsigned place)
{
    unsigned i = db->opts.nmodules;
    if (place < OURS)
        return ours[place];
    while (db->bases[--i].base > place)
        continue;
    return db->bases[i].module->stmts[place - db->bases[i].base];
}

static bool has_run(const struct pd_figure *f)
{
    return pd_counter_get(&f->calls);
}

/* False, and nothing is added, if it has not run. */
static bool sum_up(const struct pd_figures *first, unsigned place, struct pd_stmt_stats *sum)
{
    for (const struct pd_figures *f = first; f; f = f->next)
        if (has_run(&f->at[place]))
            add(sum, &f->at[place]);
    return sum->calls;
}

void pd_db_statements(struct pd_db *db, void (*fn)(void *arg, const struct pd_stmt_stats *s),
                      void *arg)
{
    struct pd_arena arena; /* a histogram is too big for the stack */
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "figures" });
    struct pd_stmt_stats *sum = pd_arena_new(&arena, struct pd_stmt_stats);
    pthread_mutex_lock(&db->figures_lock);
    const struct pd_figures *first = db->figures; /* none goes before the database does */
    pthread_mutex_unlock(&db->figures_lock);
    for (unsigned place = 0; place < db->nfigures; place++) {
        if (!sum_up(first, place, sum))
            continue;
        sum->stmt = stmt_at(db, place);
        fn(arg, sum);
        memset(sum, 0, sizeof *sum);
    }
    pd_arena_fini(&arena);
}

bool pd_db_plan(struct pd_db *db, const struct pd_stmt *stmt, char *out, size_t size)
{
    return pd_slow_plan(db, place_of(db, stmt), out, size);
}
