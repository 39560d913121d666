/* model.h - what gen knows about an app while it works: modules, structs, errors.
 *
 * Row structs come from the SQL compiler, the others from the authors' headers; templates are
 * checked against all of them, and shapes are emitted for all of them. Everything lives in the
 * generator's arena until the process ends. One thread.
 */
#ifndef PD_GEN_MODEL_H
#define PD_GEN_MODEL_H

#include <pando/base.h>

struct gen_field {
    pd_str name;
    enum pd_type type;
    enum pd_type as;       /* PD_T_OPT */
    unsigned flags;        /* enum pd_field_flags */
    int64_t min, max;      /* both 0: none */
    bool bounded;          /* @min or @max was given */
    unsigned decimals;     /* of a pd_money */
    pd_str of_name;        /* PD_T_STRUCT, PD_T_PTR, PD_T_LIST: element struct, as written */
    struct gen_struct *of; /* resolved by gen_model_resolve */
    pd_str file;
    int line;
    struct gen_field *next;
};

struct gen_struct {
    pd_str name; /* "ledger_account" (without "struct") */
    struct gen_module *module;
    bool is_row;  /* begins with struct pd_row pd; made by the SQL compiler */
    bool is_list; /* { T *rows; size_t n; }: fields empty, of is the element */
    struct gen_struct *of;
    struct gen_field *fields, **last;
    unsigned nfields;
    enum { GEN_EMBEDS_UNKNOWN, GEN_EMBEDS_OPEN, GEN_EMBEDS_DONE } embeds; /* gen_model_resolve's */
    pd_str file;
    int line;
    struct gen_struct *next;
};

struct gen_module {
    pd_str name, dir; /* "ledger", "finflow/modules/ledger" */
    struct gen_module *next;
};

struct gen {
    struct pd_arena arena;
    pd_str app_dir, out_dir;
    pd_str app_name; /* as given; null: the folder's */
    pd_str postgres; /* URL of a server that is asked, too; null: none */
    struct gen_module *modules;
    struct gen_struct *structs;    /* in order of definition */
    struct gen_view *views;        /* compiled pages; private to the template compiler */
    struct gen_asset_list *assets; /* private to assets.c */
    unsigned errors;
    void (*report)(void *arg, pd_str text); /* where errors go; default standard error */
    void *report_arg;
    struct sql *sql; /* private to the SQL compiler */
    int unseen;      /* errno of the first file that could not be looked at; 0: none */
    pd_str unseen_path;
};

void gen_init(struct gen *g);
void gen_fini(struct gen *g);

/* Finds the modules of the app (DIR/modules/<name>) in alphabetical order. */
pd_err gen_scan(struct gen *g, pd_str app_dir) PD_MUST;
/* Name of the app as a C identifier, by default that of its folder: "finflow", "my_shop" for
 * my-shop. */
pd_str gen_app_name(struct gen *g);

/* A file as it stands in what is generated: from the app's name on, wherever the app is. */
pd_str gen_shown_file(struct gen *g, pd_str file);
/* The file as seen from the app's folder, where an app is compiled: "modules/x/templates/y.html".
 */
pd_str gen_local_file(const struct gen *g, pd_str file);

enum { GEN_FILE_MAX = 32 << 20 };
/* The whole file, NUL behind len. PD_ENOTFOUND if it is absent, PD_ETOOBIG beyond GEN_FILE_MAX. */
pd_err gen_read(struct gen *g, pd_str path, pd_str *text) PD_MUST;
/* The text without a byte order mark, and its line ends as \n; changed in place. */
pd_str gen_plain_text(pd_str text);
/* The same of a file. PD_EINVAL if it is not UTF-8 or holds a NUL byte. */
pd_err gen_read_text(struct gen *g, pd_str path, pd_str *text) PD_MUST;
/* Where the system cannot say they answer false, and gen_seen fails from then on: nothing is
 * written by a look at half the files. */
bool gen_exists(struct gen *g, pd_str path);
bool gen_is_dir(struct gen *g, pd_str path);
pd_err gen_seen(const struct gen *g) PD_MUST;
/* Names in a directory in bytewise order, without those that begin with '.'. A directory that does
 * not exist is empty. */
pd_err gen_list(struct gen *g, pd_str dir, pd_str **names, size_t *n) PD_MUST;

/* A row struct's link (`struct pd_row pd`) is not one of its fields. For every row struct X the
 * list struct X_list is known without being added. Texts given here must outlive g (its arena). */
struct gen_struct *gen_struct_add(struct gen *g, struct gen_module *m, pd_str name, pd_str file,
                                  int line);
struct gen_field *gen_field_add(struct gen *g, struct gen_struct *s, pd_str name,
                                enum pd_type type);
struct gen_struct *gen_struct_find(struct gen *g, pd_str name);
struct gen_field *gen_struct_field(struct gen_struct *s, pd_str name); /* NULL if it has none */
/* "did you mean \"name\"?", or `otherwise` if nothing is near: a remedy ready for gen_error. */
pd_str gen_did_you_mean(struct gen *g, pd_str wanted, const pd_str *names, size_t n,
                        pd_str otherwise);

/* Reports one error and counts it. `code` is "PD-SQL-012" (errors.def, errors_views.def); `remedy`
 * may be null. Line 0: the whole file; column 0: the whole line. A warning is not counted. */
void gen_error(struct gen *g, pd_str file, int line, int column, const char *code, pd_str message,
               pd_str remedy);
void gen_warn(struct gen *g, pd_str file, int line, int column, const char *code, pd_str message,
              pd_str remedy);

/* Names of the app's assets ("app.css", "img/logo.svg"), in bytewise order. */
const pd_str *gen_asset_names(struct gen *g, size_t *n);
bool gen_asset_check(struct gen *g, pd_str name); /* whether there is such an asset */

/* Writes a generated file if its content changed (so that nothing is rebuilt for nothing). */
pd_err gen_write(struct gen *g, pd_str name, pd_str content) PD_MUST;

/* --- the three compilers; each reports errors itself and returns when all are found --- */

void gen_sql_read(struct gen *g);      /* migrations and queries -> row structs, statements */
void gen_shapes_read(struct gen *g);   /* headers -> structs */
void gen_model_resolve(struct gen *g); /* names -> structs */
void gen_views_read(struct gen *g);    /* templates, checked against the structs */
/* Assets, with their references checked; part of gen_views_read. */
void gen_assets_read(struct gen *g);
bool gen_sql_has(struct gen *g, pd_str function); /* a statement's C function has this name */
pd_err gen_sql_write(struct gen *g) PD_MUST;
pd_err gen_shapes_write(struct gen *g) PD_MUST;
pd_err gen_views_write(struct gen *g) PD_MUST;
pd_err gen_assets_write(struct gen *g) PD_MUST;

#endif
