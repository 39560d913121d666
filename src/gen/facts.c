/* facts.c - see facts.h. Copies what is needed out of the SQL compiler's own structs, so that
 * nobody outside layer gen depends on them. */
#include "gen/facts.h"

#include "gen/sql.h"

struct gen_stmt_fact *gen_facts_stmts(struct gen *g, size_t *n)
{
    *n = 0;
    for (struct sql_module *m = g->sql->modules; m; m = m->next)
        for (struct sql_stmt *st = m->stmts; st; st = st->next)
            ++*n;
    struct gen_stmt_fact *facts = pd_arena_new_n(&g->arena, struct gen_stmt_fact, *n + 1), *at;
    at = facts;
    for (struct sql_module *m = g->sql->modules; m; m = m->next) {
        for (struct sql_stmt *st = m->stmts; st; st = st->next)
            *at++ = (struct gen_stmt_fact){
                .function = st->full,
                .module = m->name,
                .file = st->pos.file,
                .line = st->pos.line,
                .keyed = (st->keyed || (st->children && !st->pages)) && !st->loader,
                .each = st->mode == SQL_EACH,
            };
    }
    return facts;
}

struct gen_index_fact *gen_facts_needless_indexes(struct gen *g, size_t *n)
{
    size_t all = 0;
    for (struct sql_table *t = g->sql->tables; t; t = t->next)
        for (struct sql_index *i = t->indexes; i; i = i->next)
            all++;
    struct gen_index_fact *facts = pd_arena_new_n(&g->arena, struct gen_index_fact, all + 1);
    *n = 0;
    for (struct sql_table *t = g->sql->tables; t; t = t->next) {
        for (struct sql_index *i = t->indexes; i; i = i->next) {
            if (!i->longer && sql_index_needed(t, i))
                continue;
            facts[(*n)++] = (struct gen_index_fact){
                .name = i->name,
                .longer = i->longer ? i->longer->name : PD_STR_NULL,
                .table = t->name,
                .module = t->owner ? t->owner->name : PD_STR_NULL,
                .file = i->pos.file,
                .line = i->pos.line,
            };
        }
    }
    return facts;
}

static bool leaves_module(const struct sql_table *t, const struct sql_column *c)
{
    return t->exists && t->owner && c->of && c->of->owner && c->of->owner != t->owner;
}

struct gen_xref_fact *gen_facts_xrefs(struct gen *g, size_t *n)
{
    size_t all = 0;
    for (struct sql_table *t = g->sql->tables; t; t = t->next)
        all += t->ncolumns;
    struct gen_xref_fact *facts = pd_arena_new_n(&g->arena, struct gen_xref_fact, all + 1);
    *n = 0;
    for (struct sql_table *t = g->sql->tables; t; t = t->next) {
        for (uint32_t i = 0; i < t->ncolumns; i++) {
            struct sql_column *c = &t->columns[i];
            if (!leaves_module(t, c))
                continue;
            facts[(*n)++] = (struct gen_xref_fact){
                .column = pd_str_fmt(&g->arena, "%.*s.%.*s", PD_ARG(t->name), PD_ARG(c->name)),
                .from = t->owner->name,
                .to = c->of->owner->name,
                .file = c->pos.file,
                .line = c->pos.line,
            };
        }
    }
    return facts;
}
