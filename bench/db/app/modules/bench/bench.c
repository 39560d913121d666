/* bench.c - the benchmark's requests, as an author would write them.
 *
 * The ids of a request for many come from its first one by a fixed rule, so that every server under
 * test reads the same rows for the same URL.
 */
#include "bench/bench.h"
#include "bench/lists.h"

#include "bench_gen.h"

enum { WORLDS = 10000, MANY = 20, SHOWN = 20 };

/* --- worlds ----------------------------------------------------------------------------------- */

static pd_id next_id(pd_id id)
{
    return (id * 21 + 6) % WORLDS + 1;
}

static pd_status show_one(struct pd_ctx *c, const struct bench_world *w)
{
    return w ? pd_json(c, 200, bench_world, w) : pd_not_found(c);
}

static pd_status world(struct pd_ctx *c)
{
    return show_one(c, bench_world_get(c, pd_path_id(c, "id")));
}

static pd_status batched(struct pd_ctx *c)
{
    return show_one(c, bench_world_batched(c, pd_path_id(c, "id")));
}

/* The rows of MANY ids, in one flight; false if one is not there. */
static bool read_many(struct pd_ctx *c, struct bench_world *found[MANY])
{
    pd_id id = pd_path_id(c, "id");
    for (int i = 0; i < MANY; i++, id = next_id(id))
        pd_later(c, &found[i], bench_world_get, id);
    if (!pd_await(c))
        return false;
    for (int i = 0; i < MANY; i++)
        if (!found[i])
            return false;
    return true;
}

static pd_status show_many(struct pd_ctx *c, struct bench_world *found[MANY])
{
    struct bench_world_view rows[MANY];
    for (int i = 0; i < MANY; i++)
        rows[i] = (struct bench_world_view){ found[i]->id, found[i]->random_number };
    struct bench_worlds all = { { rows, MANY } };
    return pd_json(c, 200, bench_worlds, &all);
}

static pd_status worlds(struct pd_ctx *c)
{
    struct bench_world *found[MANY];
    return read_many(c, found) ? show_many(c, found) : pd_not_found(c);
}

static int by_id(const void *a, const void *b)
{
    const struct bench_world *x = *(struct bench_world *const *)a,
                             *y = *(struct bench_world *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Rows are locked in the order of their ids, so that two requests cannot wait for each other. The
 * updates leave with the commit, as one statement. */
static pd_status update(struct pd_ctx *c)
{
    struct bench_world *found[MANY];
    int64_t changed[MANY];
    if (!read_many(c, found))
        return pd_not_found(c);
    qsort(found, MANY, sizeof *found, by_id);
    for (int i = 0; i < MANY; i++) {
        found[i]->random_number = next_id(found[i]->random_number);
        pd_later(c, &changed[i], bench_world_set, found[i]->random_number, found[i]->id);
    }
    return show_many(c, found);
}

/* --- no database ------------------------------------------------------------------------------ */

static pd_status none(struct pd_ctx *c)
{
    struct bench_world_view w = { .id = 1, .random_number = 1 };
    return pd_json(c, 200, bench_world_view, &w);
}

/* --- fortunes --------------------------------------------------------------------------------- */

static int by_message(const void *a, const void *b)
{
    const struct bench_fortune_view *x = a, *y = b;
    return pd_str_cmp(x->message, y->message);
}

static pd_status fortunes(struct pd_ctx *c)
{
    struct bench_fortune_list found = bench_fortunes(c);
    struct bench_fortune_view *rows =
        pd_arena_new_n(c->arena, struct bench_fortune_view, found.n + 1);
    for (size_t i = 0; i < found.n; i++)
        rows[i] = (struct bench_fortune_view){ found.rows[i].id, found.rows[i].message };
    rows[found.n].message = PD_STR("Additional fortune added at request time.");
    qsort(rows, found.n + 1, sizeof *rows, by_message);
    struct bench_fortunes_view view = { { rows, found.n + 1 } };
    return bench_fortunes_render(c, 200, &view);
}

/* --- items ------------------------------------------------------------------------------------ */

static struct bench_item_view item_view(const struct bench_item *i)
{
    return (struct bench_item_view){ i->id, i->category, i->name, i->price, i->stock };
}

static pd_str list_of(struct pd_ctx *c, pd_id category)
{
    struct bench_item_list found = bench_items(c, category, SHOWN);
    struct bench_items all = { { pd_arena_new_n(c->arena, struct bench_item_view, found.n),
                                 found.n } };
    struct pd_buf json;
    for (size_t i = 0; i < found.n; i++)
        all.items.rows[i] = item_view(&found.rows[i]);
    pd_buf_init(&json, c->arena, LIST_BYTES_MAX);
    pd_json_write(&json, &bench_items_shape, &all);
    if (json.failed)
        pd_ctx_fail(c, PD_EINTERNAL);
    return pd_buf_str(&json);
}

static pd_status items(struct pd_ctx *c)
{
    pd_id category = pd_path_id(c, "category");
    uint64_t version;
    pd_str list = lists_find(c->arena, category, &version);
    if (!list.ptr) {
        list = list_of(c, category);
        if (!c->failed)
            lists_keep(category, version, list);
    }
    return pd_text(c, 200, PD_STR("application/json; charset=utf-8"), list);
}

static pd_status item(struct pd_ctx *c)
{
    struct bench_item *i = bench_item_get(c, pd_path_id(c, "id"));
    if (!i)
        return pd_not_found(c);
    struct bench_item_view view = item_view(i);
    return pd_json(c, 200, bench_item_view, &view);
}

/* The list is forgotten after the commit: a reader in between would keep the old one. */
static pd_status item_change(struct pd_ctx *c)
{
    struct bench_item_input in;
    if (!pd_read_json(c, bench_item_input, &in))
        return pd_invalid(c);
    struct bench_item_set_row *changed = bench_item_set(c, in.price, in.stock, pd_path_id(c, "id"));
    if (!changed || pd_commit(c) != PD_OK)
        return pd_not_found(c);
    lists_forget(changed->category);
    return pd_no_content(c);
}

/* --- rows to work on -------------------------------------------------------------------------- */

static const char *const MESSAGES[] = {
    "fortune: No such file or directory",
    "A computer scientist is someone who fixes things that aren't broken.",
    "After enough decimal places, nobody gives a damn.",
    "A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1",
    "A computer program does what you tell it to do, not what you want it to do.",
    "Emacs is a nice operating system, but I prefer UNIX.",
    "Any program that runs right is obsolete.",
    "A list is only as strong as its weakest link.",
    "Feature: A bug with seniority.",
    "Computers make very fast, very accurate mistakes.",
    "<script>alert(\"This should not be displayed in a browser alert box.\");</script>",
    "フレームワークのベンチマーク",
};

static int seed(struct pd_ctx *c, int argc, char **argv)
{
    (void)argc, (void)argv;
    for (pd_id i = 1; i <= WORLDS; i++) {
        pd_str name = pd_str_fmt(c->arena, "Item %d", (int)i);
        struct bench_world *w;
        struct bench_item *item;
        pd_later(c, &w, bench_world_insert, next_id(i));
        pd_later(c, &item, bench_item_insert, i % 100 + 1, name, 100 + i, i % 50);
    }
    for (size_t i = 0; i < sizeof MESSAGES / sizeof *MESSAGES; i++) {
        struct bench_fortune *f;
        pd_later(c, &f, bench_fortune_insert, pd_str_c(MESSAGES[i]));
    }
    return pd_commit(c) == PD_OK ? 0 : 1;
}

/* --- the module ------------------------------------------------------------------------------- */

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/none", none },
    { PD_GET_, "/world/{id:id}", world },
    { PD_GET_, "/batched/{id:id}", batched },
    { PD_GET_, "/worlds/{id:id}", worlds },
    { PD_GET_, "/update/{id:id}", update },
    { PD_GET_, "/fortunes", fortunes },
    { PD_GET_, "/items/{category:id}", items },
    { PD_GET_, "/item/{id:id}", item },
    { PD_PUT_, "/item/{id:id}", item_change, .any_origin = true },
};

static const struct pd_command COMMANDS[] = {
    { "seed", "", "Fill the empty database", seed },
};

const struct pd_module bench_module = {
    .name = "bench",
    .sql = &bench_sql,
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof *ROUTES,
    .commands = COMMANDS,
    .ncommands = 1,
};
