/* check.h - `pando check`: the don'ts of an app as errors.
 *
 *     struct check k;
 *     check_init(&k, &(struct check_opts){ .app = PD_STR(".") });
 *     pd_err e = check_run(&k);             // findings are in k.findings, sorted
 *     check_print(&k, stdout, stderr);
 *     check_fini(&k);
 *
 * Three pictures of the same app are laid over each other: what gen knows of its SQL (gen/facts.h),
 * what the compiler made (symbols, relocations and line tables of the objects), and what the author
 * wrote (the preprocessed sources as functions, calls and loops). In reading order:
 *
 *   build.c       builds the app; compile_commands.json -> units
 *   conf.c        module.conf -> declared uses
 *   object.c      ELF and DWARF of a unit's object -> variables, references
 *   preprocess.c  runs the compiler's preprocessor over each unit
 *   parse.c       preprocessed text -> functions, file-scope variables, what they mention, loops
 *   graph.c       mentions -> edges; what a request can reach
 *   sources.c     the author's files, compiled or not
 *   state.c, nplus1.c, blocking.c, sql.c, coupling.c, includes.c, listed.c    one rule each
 *   findings.c    reports, check.todo
 *   modules.c     `pando modules`: who uses whom, as text, JSON and picture
 *   seal.c        `pando seal`: private symbols become local
 *
 * Everything lives in one arena until the process ends. One thread.
 */
#ifndef PD_CHECK_CHECK_H
#define PD_CHECK_CHECK_H

#include "base/map.h"
#include "gen/facts.h"
#include "gen/gen.h"
#include <pando/base.h>

#include <stdio.h>

/* --- the app ------------------------------------------------------------------------------- */

struct check_use { /* "module A may include the public header of B" */
    struct check_module *of;
    int line; /* in module.conf */
    bool used;
    struct check_use *next;
};

struct check_module {
    pd_str name, dir; /* dir: real path */
    pd_str conf;      /* as shown: "modules/ledger/module.conf" */
    struct check_use *uses;
    struct check_edge *edges; /* what it really depends on; one for each other module */
    struct pd_map words;      /* of its public headers */
    bool has_words;
    unsigned mark; /* of the search for cycles */
    struct check_module *next;
};

struct check_edge { /* the first place where a module depends on another */
    struct check_module *to;
    pd_str file;
    int line;
    bool conf; /* only declared, in module.conf */
    struct check_edge *next;
};

struct check_unit {              /* one compiled source */
    pd_str path, shown;          /* real path; as reports show it */
    pd_str object, dir;          /* absolute; dir is where its command runs */
    char **argv;                 /* of the compiler, NULL-terminated */
    struct check_module *module; /* NULL: the app's own files beside modules/ */
    bool generated;              /* by pando gen */
    struct check_object *obj;
    struct check_node *nodes; /* in order of definition */
    struct pd_map names;      /* name -> node */
    struct check_unit *next;
};

/* --- what the compiler made (object.c) ------------------------------------------------------- */

struct check_variable {    /* a writable object */
    pd_str name, function; /* function: of a static local; else null */
    pd_str file;           /* shown; the unit's if unknown */
    int line;              /* 0: unknown */
    bool thread_local_, stated, state_of_other_kind, foreign;
    struct check_variable *next;
};
struct check_reference { /* the object refers to a symbol that is defined elsewhere */
    pd_str symbol, from; /* from: the function or variable it stands in; null if unknown */
    pd_str file;
    int line;
    struct check_reference *next;
};
struct check_object {
    struct check_variable *variables;
    struct check_reference *references;
    struct pd_map defined; /* global symbols -> the unit */
};

/* --- what the author wrote (parse.c) --------------------------------------------------------- */

enum check_kind {
    CHECK_FUNCTION,
    CHECK_VARIABLE, /* of file scope, with what its initialiser mentions */
};
struct check_mention {
    pd_str name, file;
    int line;
    uint32_t at;             /* index of its token in the unit */
    unsigned loops;          /* loops of this function it stands in */
    bool call;               /* name(…) */
    bool offloaded;          /* handed to pd_offload: runs in the pool, not on the loop */
    bool asked, exempt;      /* nplus1.c: whether its author has a reason */
    bool repeated;           /* handed to what calls it repeatedly: an :each statement, qsort */
    struct check_node *node; /* by check_graph */
    struct check_mention *next;
};
struct check_node {
    pd_str name, file;
    int line;
    enum check_kind kind;
    bool is_static, is_route, is_command, is_app;
    struct check_unit *unit;
    struct check_mention *mentions, **last;
    unsigned mentioned;      /* by other nodes */
    bool in_request;         /* a request may reach it */
    struct check_node *from; /* on the way from a request's entry */
    /* nplus1.c: the statement it runs, at once or through others */
    const struct gen_stmt_fact *runs;
    struct check_mention *runs_by;
    unsigned depth, low; /* Tarjan */
    bool on_stack, cyclic;
    struct check_node *stack, *next;
};

/* --- findings -------------------------------------------------------------------------------- */

struct check_finding {
    const char *code; /* "PD-CHECK-010" */
    pd_str file;
    int line; /* 0: the whole file */
    pd_str message, remedy;
    pd_str key; /* "PD-CHECK-010 modules/a/a.c counter": the same although lines move */
    bool known; /* listed in check.todo */
};

struct check_opts {
    pd_str app;      /* its folder */
    pd_str postgres; /* as in gen_opts */
    bool no_build, json, write_todo;
    const char *only; /* findings of this code; NULL: all */
};

struct check {
    struct pd_arena arena;
    struct check_opts opts;
    pd_str root;   /* real path of the app */
    pd_str prefix; /* put before paths in the app that are shown: "finflow/", or "" */
    struct gen gen;
    struct check_module *modules;
    struct check_unit *units;
    struct pd_map statements; /* "ledger_account_by_id_at" -> gen_stmt_fact */
    struct pd_map globals;    /* functions and variables with external linkage -> node */
    struct check_finding *findings;
    size_t nfindings, cap;
    size_t nknown, ngone; /* of check.todo */
    struct pd_map texts;  /* path -> check_text */
    int64_t build_us, check_us;
};

enum check_form { CHECK_TEXT, CHECK_JSON, CHECK_SVG };
/* The modules and who uses whom, after check_run (modules.c). */
pd_err check_modules_print(struct check *k, enum check_form form, FILE *out) PD_MUST;

struct check_seal { /* pando seal */
    const char *module, *out;
    const char **objects;
    size_t nobjects;
};
/* Joins a module's objects into one, in which only public symbols are global (seal.c). */
pd_err check_seal(struct check *k, const struct check_seal *s) PD_MUST;

struct check_unlisted { /* a module that the app does not list (listed.c) */
    const char *code;
    pd_str module, file, message, remedy;
    int line;
};
/* Needs the modules only (check_modules_scan), no build. Returns how many there are. */
unsigned check_unlisted(struct check *k, void (*tell)(void *arg, const struct check_unlisted *u),
                        void *arg);
pd_err check_modules_scan(struct check *k) PD_MUST; /* for those who do not call check_run */

void check_init(struct check *k, const struct check_opts *opts);
void check_fini(struct check *k);
/* PD_OK although there are findings; else what kept it from looking at the app at all. */
pd_err check_run(struct check *k) PD_MUST;
/* Findings as text or JSON; the number of those that are errors. */
size_t check_print(struct check *k, FILE *out, FILE *err);

/* `subject` makes the key stable: a name, never a number that moves. */
void check_find(struct check *k, const char *code, pd_str file, int line, pd_str subject,
                pd_str remedy, const char *fmt, ...) PD_PRINTF(7, 8);
void check_findings_sort(struct check *k);
/* check.todo: marks what is listed, reports what is listed and gone; or writes it. */
pd_err check_todo(struct check *k) PD_MUST;

/* --- build.c --------------------------------------------------------------------------------- */

pd_err check_build(struct check *k) PD_MUST; /* make -s build */
pd_err check_units_read(struct check *k) PD_MUST;
/* Real path -> as shown; false if the file is not one of the app's own. */
bool check_shown(struct check *k, pd_str path, pd_str *shown);
pd_str check_real(struct check *k, pd_str dir, pd_str path); /* as it is if it does not exist */
struct check_module *check_module_of(struct check *k, pd_str path); /* by place; NULL: none */
void check_modules_add(struct check *k);                            /* those that gen has scanned */
struct check_module *check_module_find(struct check *k, pd_str name);
/* "ledger_sql.h" -> ledger, "sql": a file that pando gen writes. NULL: another file. */
struct check_module *check_generated_of(struct check *k, pd_str path, pd_str *part);
bool check_is_generated(struct check *k, pd_str path);

/* --- the author's text ----------------------------------------------------------------------- */

/* Whether the line, or the one above it, says "WORD: reason" in a comment. A marker without a
 * reason does not count and is reported. */
bool check_exempt(struct check *k, pd_str shown, int line, const char *word);
int check_line_of(struct check *k, pd_str shown, pd_str word); /* first line with it; 0: none */

/* Calls `found` for each source and header of the app's own: its real path, and as it is shown. */
void check_sources(struct check *k, void (*found)(void *arg, pd_str path, pd_str shown), void *arg);
bool check_is_source(pd_str path); /* by its name */

void check_conf_read(struct check *k);
pd_err check_object_read(struct check *k, struct check_unit *u) PD_MUST;
pd_err check_preprocess(struct check *k, struct check_unit **units, size_t n,
                        pd_str *texts) PD_MUST;
void check_parse(struct check *k, struct check_unit *u, pd_str text);
void check_graph(struct check *k);
/* "show_account -> load": how a request comes to the node. */
pd_str check_way(struct check *k, const struct check_node *n);

void check_state(struct check *k);
void check_nplus1(struct check *k);
void check_blocking(struct check *k);
pd_err check_gen(struct check *k) PD_MUST; /* runs gen; its errors are findings */
void check_statements(struct check *k);
void check_sql(struct check *k);
void check_includes(struct check *k);
void check_symbols(struct check *k);
void check_cycles(struct check *k);
void check_listed(struct check *k);
/* Notes that module `from` depends on `to` at this place, and that it has to declare it. */
void check_depend(struct check *k, struct check_module *from, struct check_module *to, pd_str file,
                  int line);
/* An xref column names rows by number: that may be declared and need not be. */
void check_use(struct check_module *from, const struct check_module *to);
/* Whether `symbol` of module m may be used by others: its public headers name it. */
bool check_is_public(struct check *k, struct check_module *m, pd_str symbol);

#endif
