/* build.c - the app as the compiler sees it: builds it, then reads compile_commands.json.
 *
 * A unit is an entry of that file whose source belongs to the app: its folder, without tests/, or
 * what `pando gen` wrote for one of its modules, wherever the build put it. A source that is
 * compiled twice (once for a test) is looked at once.
 */
#include "check/check.h"

#include "base/json_scan.h"
#include <pando/json.h>

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { ARGS_MAX = 4096 };

/* --- make ------------------------------------------------------------------------------------ */

/* What make says goes to standard error: standard output is the report's. */
pd_err check_build(struct check *k)
{
    char *root = pd_str_cstr(&k->arena, k->root);
    char *argv[] = { "make", "-s", "--no-print-directory", "-C", root, "build", NULL };
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status = 0;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    int failed = posix_spawnp(&pid, "make", &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed)
        return pd_hint(pd_fail_errno(PD_EUNAVAIL, failed, "cannot run make"),
                       "apt-get install make");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return pd_hint(pd_fail(PD_EINVAL, "%s does not build (make -C %s build)", root, root),
                       "mend what the compiler and pando gen say above; then check again");
    return PD_OK;
}

/* --- paths ----------------------------------------------------------------------------------- */

pd_str check_real(struct check *k, pd_str dir, pd_str path)
{
    pd_str whole = path;
    if (dir.len && path.len && path.ptr[0] != '/')
        whole = pd_str_fmt(&k->arena, "%.*s/%.*s", PD_ARG(dir), PD_ARG(path));
    char *real = realpath(pd_str_cstr(&k->arena, whole), NULL);
    if (real)
        whole = pd_str_dup(&k->arena, pd_str_c(real));
    free(real);
    return whole;
}

static bool in_folder(pd_str path, pd_str folder, pd_str *rest)
{
    if (!pd_str_starts(path, folder) || path.len <= folder.len || path.ptr[folder.len] != '/')
        return false;
    *rest = pd_str_sub(path, folder.len + 1, path.len);
    return true;
}

static pd_str base_name(pd_str path)
{
    size_t at = path.len;
    while (at && path.ptr[at - 1] != '/')
        at--;
    return pd_str_sub(path, at, path.len);
}

struct check_module *check_module_find(struct check *k, pd_str name)
{
    struct check_module *m = k->modules;
    while (m && !pd_str_eq(m->name, name))
        m = m->next;
    return m;
}

struct check_module *check_module_of(struct check *k, pd_str path)
{
    pd_str rest;
    for (struct check_module *m = k->modules; m; m = m->next) {
        if (in_folder(path, m->dir, &rest))
            return m;
    }
    return check_generated_of(k, path, &rest);
}

struct check_module *check_generated_of(struct check *k, pd_str path, pd_str *part)
{
    static const char *const PARTS[] = { "_sql", "_shapes", "_views", "_gen" };
    pd_str name = base_name(path), rest;
    if (!pd_str_ends(name, PD_STR(".c")) && !pd_str_ends(name, PD_STR(".h")))
        return NULL;
    for (struct check_module *m = k->modules; m; m = m->next) {
        if (in_folder(path, m->dir, &rest))
            return NULL; /* the author's own */
    }
    name = pd_str_sub(name, 0, name.len - 2);
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        pd_str end = pd_str_c(PARTS[i]);
        if (!pd_str_ends(name, end))
            continue;
        *part = pd_str_sub(end, 1, PD_NPOS);
        return check_module_find(k, pd_str_sub(name, 0, name.len - end.len));
    }
    return NULL;
}

bool check_is_generated(struct check *k, pd_str path)
{
    pd_str part;
    return check_generated_of(k, path, &part) ||
           pd_str_starts(base_name(path), PD_STR("assets_gen."));
}

bool check_shown(struct check *k, pd_str path, pd_str *shown)
{
    pd_str rest;
    if (!in_folder(path, k->root, &rest) || check_is_generated(k, path) ||
        pd_str_starts(rest, PD_STR("build/")) || pd_str_starts(rest, PD_STR("tests/")))
        return false;
    *shown = pd_str_fmt(&k->arena, "%.*s%.*s", PD_ARG(k->prefix), PD_ARG(rest));
    return true;
}

/* --- commands -------------------------------------------------------------------------------- */

/* One word of a shell's command line, without its quotes; null at the end. */
static pd_str next_word(struct check *k, pd_str *rest)
{
    struct pd_buf b;
    size_t i = 0;
    char quote = 0;
    while (i < rest->len && rest->ptr[i] == ' ')
        i++;
    if (i == rest->len)
        return PD_STR_NULL;
    pd_buf_init(&b, &k->arena, rest->len + 1);
    pd_buf_reserve(&b, 1);
    for (; i < rest->len && (quote || rest->ptr[i] != ' '); i++) {
        char c = rest->ptr[i];
        if (c == quote)
            quote = 0;
        else if (!quote && (c == '"' || c == '\''))
            quote = c;
        else if (c == '\\' && quote != '\'' && i + 1 < rest->len)
            pd_buf_put_c(&b, rest->ptr[++i]);
        else
            pd_buf_put_c(&b, c);
    }
    *rest = pd_str_sub(*rest, i, rest->len);
    return pd_buf_str(&b);
}

static char **split_command(struct check *k, pd_str command)
{
    char **argv = pd_arena_new_n(&k->arena, char *, ARGS_MAX + 1);
    size_t n = 0;
    for (pd_str word; n < ARGS_MAX && (word = next_word(k, &command)).ptr;)
        argv[n++] = pd_str_cstr(&k->arena, word);
    return argv;
}

static char **split_arguments(struct check *k, pd_str json)
{
    struct pd_json_scan s = { .at = json.ptr, .end = json.ptr + json.len };
    char **argv = pd_arena_new_n(&k->arena, char *, ARGS_MAX + 1);
    struct pd_json_string word;
    bool more = false;
    if (json.len == 0 || !pd_json_enter(&s, ']', &more))
        return argv;
    for (size_t n = 0; more && n < ARGS_MAX && pd_json_scan_string(&s, &word); n++) {
        argv[n] = pd_str_cstr(&k->arena, pd_json_decode(&k->arena, word));
        if (!pd_json_next(&s, ']', &more))
            break;
    }
    return argv;
}

/* --- compile_commands.json ---------------------------------------------------------------------
 */

struct entry {
    pd_str directory, command, file, output;
    pd_json arguments;
};
struct entries {
    struct {
        struct entry *rows;
        size_t n;
    } units;
};
#define OPTIONAL_TEXT(field)                                                                       \
    {                                                                                              \
        .name = #field, .name_len = sizeof #field - 1, .type = PD_T_STR, .flags = PD_F_OPTIONAL,   \
        .offset = offsetof(struct entry, field)                                                    \
    }
static const struct pd_field ENTRY_FIELDS[] = {
    OPTIONAL_TEXT(directory),
    OPTIONAL_TEXT(command),
    OPTIONAL_TEXT(file),
    OPTIONAL_TEXT(output),
    { .name = "arguments",
      .name_len = 9,
      .type = PD_T_JSON,
      .flags = PD_F_OPTIONAL,
      .offset = offsetof(struct entry, arguments) },
};
static const struct pd_shape ENTRY_SHAPE = { "entry", sizeof(struct entry), 5, ENTRY_FIELDS };
static const struct pd_field ENTRIES_FIELDS[] = {
    { .name = "units", .name_len = 5, .type = PD_T_LIST, .offset = 0, .of = &ENTRY_SHAPE },
};
static const struct pd_shape ENTRIES_SHAPE = { "entries", sizeof(struct entries), 1,
                                               ENTRIES_FIELDS };

static pd_str output_of(const struct entry *e, char **argv)
{
    if (e->output.len)
        return e->output;
    for (char **a = argv; *a; a++) {
        if (strcmp(*a, "-o") == 0 && a[1])
            return pd_str_c(a[1]);
    }
    return PD_STR_NULL;
}

/* A source that is compiled twice is one unit: of the objects the one that is there. */
static bool is_listed(struct check *k, pd_str path, pd_str object)
{
    for (struct check_unit *u = k->units; u; u = u->next) {
        if (!pd_str_eq(u->path, path))
            continue;
        if (!gen_exists(&k->gen, u->object))
            u->object = object;
        return true;
    }
    return false;
}

static void add_unit(struct check *k, const struct entry *e, struct check_unit ***end)
{
    pd_str path = check_real(k, e->directory, e->file), shown = path;
    bool generated = check_is_generated(k, path);
    if (!pd_str_ends(path, PD_STR(".c")) || (!generated && !check_shown(k, path, &shown)))
        return;
    char **argv = e->command.len ? split_command(k, e->command) : split_arguments(k, e->arguments);
    pd_str object = check_real(k, e->directory, output_of(e, argv));
    if (is_listed(k, path, object))
        return;
    struct check_unit *u = pd_arena_new(&k->arena, struct check_unit);
    *u = (struct check_unit){ .path = path, .shown = shown, .dir = e->directory };
    u->generated = generated;
    u->argv = argv;
    u->object = object;
    u->module = check_module_of(k, path);
    pd_map_init(&u->names, &k->arena, PD_MAP_STR);
    **end = u;
    *end = &u->next;
}

/* The tree that holds FinFlow builds other apps with modules of the same names (tests, examples):
 * what is generated for them lies elsewhere than what is generated for this one. */
static pd_err read_entries(struct check *k, pd_str path, struct entries *out)
{
    pd_str text;
    if (gen_read(&k->gen, path, &text) != PD_OK)
        return pd_hint(pd_fail(PD_ENOTFOUND, "%.*s cannot be read", PD_ARG(path)),
                       "`make build` of the app has to write it (share/app.mk does)");
    text = pd_str_fmt(&k->arena, "{\"units\":%.*s}", PD_ARG(text));
    pd_err e = pd_json_read(&k->arena, text, &ENTRIES_SHAPE, out, NULL);
    if (e == PD_OK)
        return PD_OK;
    pd_str why = pd_str_dup(&k->arena, pd_str_c(pd_diag()->message));
    return pd_hint(pd_fail(e, "%.*s cannot be understood: %.*s", PD_ARG(path), PD_ARG(why)),
                   "rm it and build again: `make build` writes it");
}

static bool is_ours(struct check *k, const struct entry *e, pd_str out_dir)
{
    pd_str path = check_real(k, e->directory, e->file), rest;
    return !check_is_generated(k, path) || !out_dir.len || in_folder(path, out_dir, &rest);
}

/* Where gen wrote this app's C: the folder among the includes of its first own unit that has it. */
static pd_str generated_folder(struct check *k, const struct entries *all)
{
    for (size_t i = 0; i < all->units.n; i++) {
        const struct entry *e = &all->units.rows[i];
        pd_str path = check_real(k, e->directory, e->file), shown;
        if (!check_shown(k, path, &shown))
            continue;
        char **argv =
            e->command.len ? split_command(k, e->command) : split_arguments(k, e->arguments);
        for (char **a = argv; *a; a++) {
            if (strncmp(*a, "-I", 2) != 0)
                continue;
            pd_str dir = check_real(k, e->directory, pd_str_c((*a)[2] || !a[1] ? *a + 2 : a[1]));
            if (gen_exists(&k->gen, pd_str_fmt(&k->arena, "%.*s/assets_gen.h", PD_ARG(dir))))
                return dir;
        }
    }
    return PD_STR_NULL;
}

pd_err check_units_read(struct check *k)
{
    struct entries all;
    struct check_unit **end = &k->units;
    PD_TRY(read_entries(k, pd_str_fmt(&k->arena, "%.*s/compile_commands.json", PD_ARG(k->root)),
                        &all));
    pd_str out_dir = generated_folder(k, &all);
    for (size_t i = 0; i < all.units.n; i++) {
        if (is_ours(k, &all.units.rows[i], out_dir))
            add_unit(k, &all.units.rows[i], &end);
    }
    if (k->units)
        return PD_OK;
    return pd_hint(pd_fail(PD_EINVAL, "compile_commands.json names no source of this app"),
                   "it belongs to another folder, or is old: rm it and build again");
}
