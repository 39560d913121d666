/* lock.c - pando.lock: what gen found out, one line per statement.
 *
 * The file is committed. It makes a change of types or plans visible in review (a line of it
 * changes), and `pando gen --check` fails when it does not say what the sources say. Lines are
 * sorted and depend on nothing but the sources, so that two branches conflict only where they touch
 * the same statement.
 */
#include "gen/gen.h"
#include "gen/sql.h"

#include <stdlib.h>

uint64_t sql_hash(pd_str s)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3ull;
    return h;
}

struct lines {
    pd_str *at;
    size_t n, cap;
};

static void add(struct sql *s, struct lines *l, pd_str line)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        pd_str *bigger = pd_arena_new_n(s->arena, pd_str, cap);
        if (l->n)
            memcpy(bigger, l->at, l->n * sizeof(*l->at));
        l->at = bigger;
        l->cap = cap;
    }
    l->at[l->n++] = line;
}

static int compare(const void *a, const void *b)
{
    return pd_str_cmp(*(const pd_str *)a, *(const pd_str *)b);
}

static void put_tables(struct pd_buf *b, const char *word, struct sql_table **tables, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        pd_buf_fmt(b, "%s%.*s", i ? "," : word, PD_ARG(tables[i]->name));
}

static pd_str variant_line(struct sql *s, const struct sql_stmt *st, const struct sql_variant *v)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 64 << 10);
    pd_buf_fmt(&b, "%.*s.%.*s%.*s %016llx (", PD_ARG(st->module->name), PD_ARG(st->name),
               PD_ARG(v->suffix), (unsigned long long)sql_hash(v->sql));
    for (uint32_t i = 0; i < v->nparams; i++) {
        const struct sql_param *p = &st->params[v->params[i]];
        pd_buf_fmt(&b, "%s%.*s%s: %s%s", i ? ", " : "", PD_ARG(p->name), p->list ? "[]" : "",
                   sql_type_name(p->type), p->nullable ? "?" : "");
    }
    pd_buf_put(&b, PD_STR(") -> ("));
    for (uint32_t i = 0; i < st->nresults; i++) {
        const struct sql_result *r = &st->results[i];
        pd_buf_fmt(&b, "%s%.*s: %s%s", i ? ", " : "", PD_ARG(r->name), sql_type_name(r->type),
                   r->nullable ? "?" : "");
    }
    pd_buf_fmt(&b, ")%s%s", st->readonly ? " readonly" : "",
               st->keyed      ? " keyed"
               : st->children ? " children"
                              : "");
    put_tables(&b, " reads ", st->reads, st->nreads);
    put_tables(&b, " writes ", st->writes, st->nwrites);
    if (v->plan.len)
        pd_buf_fmt(&b, " plan %.*s", PD_ARG(v->plan));
    if (v->apart.len)
        pd_buf_fmt(&b, " apart %.*s", PD_ARG(v->apart));
    if (st->batch.len)
        pd_buf_put(&b, PD_STR(" batch"));
    if (st->primary)
        pd_buf_put(&b, PD_STR(" primary"));
    if (st->scan_ok.len)
        pd_buf_fmt(&b, " scan ok: %.*s", PD_ARG(st->scan_ok));
    return pd_buf_str(&b);
}

static pd_str migration_line(struct sql *s, const struct sql_module *m,
                             const struct sql_migration *g)
{
    return pd_str_fmt(s->arena, "%.*s/%.*s %016llx", PD_ARG(m->name), PD_ARG(g->name),
                      (unsigned long long)g->checksum);
}

static void add_module(struct sql *s, const struct sql_module *m, struct lines *l)
{
    for (struct sql_migration *g = m->migrations; g; g = g->next)
        add(s, l, migration_line(s, m, g));
    for (struct sql_stmt *st = m->stmts; st; st = st->next) {
        for (uint32_t i = 0; i < st->nvariants; i++)
            add(s, l, variant_line(s, st, &st->variants[i]));
    }
}

pd_str sql_lock_text(struct sql *s)
{
    struct lines l = { 0 };
    struct pd_buf b;
    for (struct sql_module *m = s->modules; m; m = m->next)
        add_module(s, m, &l);
    if (l.n > 1)
        qsort(l.at, l.n, sizeof(*l.at), compare);
    pd_buf_init(&b, s->arena, SQL_TEXT_MAX);
    pd_buf_put(&b,
               PD_STR("# pando.lock - made by pando gen, to be committed: migrations and their "
                      "checksums; statements with\n# hash, parameters, columns, tables and plan. "
                      "`pando gen --check` compares it with the sources.\n"));
    for (size_t i = 0; i < l.n; i++)
        pd_buf_fmt(&b, "%.*s\n", PD_ARG(l.at[i]));
    return pd_buf_str(&b);
}

static pd_str lock_path(struct gen *g)
{
    return pd_str_fmt(&g->arena, "%.*s/pando.lock", PD_ARG(g->app_dir));
}

/* Whether the lock file as it was is of this schema. */
static bool is_same_schema(struct sql *s)
{
    for (struct sql_module *m = s->modules; m; m = m->next) {
        for (struct sql_migration *g = m->migrations; g; g = g->next) {
            pd_str line = pd_str_fmt(s->arena, "\n%.*s\n", PD_ARG(migration_line(s, m, g)));
            if (pd_str_find_str(s->lock, line) == PD_NPOS)
                return false;
        }
    }
    return true;
}

void sql_lock_read(struct sql *s)
{
    pd_str path = lock_path(s->g);
    bool there = gen_exists(s->g, path) && gen_read(s->g, path, &s->lock) == PD_OK;
    if (!there || pd_str_find_str(s->lock, PD_STR(" apart ")) == PD_NPOS || !is_same_schema(s))
        s->lock = PD_STR_NULL;
}

pd_str sql_lock_apart(struct sql *s, const struct sql_stmt *st, const struct sql_variant *v)
{
    pd_str begin =
        pd_str_fmt(s->arena, "\n%.*s.%.*s%.*s %016llx (", PD_ARG(st->module->name),
                   PD_ARG(st->name), PD_ARG(v->suffix), (unsigned long long)sql_hash(v->sql));
    size_t at = s->lock.len ? pd_str_find_str(s->lock, begin) : PD_NPOS;
    if (at == PD_NPOS)
        return PD_STR_NULL;
    pd_str line = pd_str_sub(s->lock, at + 1, s->lock.len);
    line.len = pd_str_find(line, '\n') == PD_NPOS ? line.len : pd_str_find(line, '\n');
    at = pd_str_find_str(line, PD_STR(" apart "));
    return at == PD_NPOS ? PD_STR_NULL : pd_str_sub(line, at + 7, line.len);
}

static bool has_sql(const struct sql *s)
{
    const struct sql_module *m = s->modules;
    while (m && !m->migrations && !m->stmts)
        m = m->next;
    return m != NULL;
}

pd_err gen_lock_write(struct gen *g)
{
    pd_str text = sql_lock_text(g->sql), out = g->out_dir;
    if (!has_sql(g->sql) && !gen_exists(g, lock_path(g)))
        return PD_OK; /* nothing to lock */
    g->out_dir = g->app_dir;
    pd_err e = gen_write(g, PD_STR("pando.lock"), text);
    g->out_dir = out;
    return e;
}

/* The first line that differs is where the reader should look. */
void gen_lock_check(struct gen *g)
{
    pd_str path = lock_path(g), now = sql_lock_text(g->sql), was = PD_STR(""), a, b;
    struct sql_pos pos = { path, 0, 0 };
    if (gen_exists(g, path) && gen_read(g, path, &was) != PD_OK)
        was = PD_STR("");
    if (pd_str_eq(now, was) || (!was.len && !has_sql(g->sql)))
        return;
    bool more_now, more_was;
    do {
        pos.line++;
        more_now = pd_str_split(&now, '\n', &a);
        more_was = pd_str_split(&was, '\n', &b);
    } while (more_now && more_was && pd_str_eq(a, b));
    sql_error(g->sql, pos, "PD-SQL-050", PD_STR("run `pando gen` and commit pando.lock"),
              "the lock file does not say what the sources say");
}
