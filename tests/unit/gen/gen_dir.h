/* gen_dir.h - an app in a temporary folder, compiled by gen, with the errors it reports. */
#ifndef GEN_DIR_H
#define GEN_DIR_H

#include "gen/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>

enum { GEN_DIR_ERRORS_MAX = 16384 };

struct gen_dir {
    char path[64];
    struct gen g;
    char *errors; /* everything reported */
};

static void gen_dir_keep(void *arg, pd_str text)
{
    struct gen_dir *d = arg;
    size_t len = strlen(d->errors);
    assert_true(len + text.len < GEN_DIR_ERRORS_MAX);
    memcpy(d->errors + len, text.ptr, text.len);
    d->errors[len + text.len] = 0;
}

static void gen_dir_init(struct gen_dir *d)
{
    memset(d, 0, sizeof(*d));
    snprintf(d->path, sizeof(d->path), "/tmp/pando-gen-XXXXXX");
    assert_non_null(mkdtemp(d->path));
    d->errors = calloc(1, GEN_DIR_ERRORS_MAX);
    assert_non_null(d->errors);
    gen_init(&d->g);
    d->g.report = gen_dir_keep;
    d->g.report_arg = d;
}

static int gen_dir_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void gen_dir_fini(struct gen_dir *d)
{
    gen_fini(&d->g);
    free(d->errors);
    assert_int_equal(nftw(d->path, gen_dir_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes DIR/name with the folders above it. */
static void gen_dir_put_bytes(struct gen_dir *d, const char *name, pd_str content)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", d->path, name);
    for (char *slash = path + strlen(d->path) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(content.ptr, 1, content.len, f), content.len);
    assert_int_equal(fclose(f), 0);
}

static inline void gen_dir_put(struct gen_dir *d, const char *name, const char *content)
{
    gen_dir_put_bytes(d, name, pd_str_c(content));
}

/* Headers and templates, as gen does; SQL has tests of its own. */
static inline void gen_dir_read(struct gen_dir *d, bool views)
{
    assert_int_equal(gen_scan(&d->g, pd_str_c(d->path)), PD_OK);
    d->g.out_dir = pd_str_fmt(&d->g.arena, "%s/out", d->path);
    gen_shapes_read(&d->g);
    gen_model_resolve(&d->g);
    if (views)
        gen_views_read(&d->g);
}

/* The content of DIR/out/name. */
static inline pd_str gen_dir_out(struct gen_dir *d, const char *name)
{
    pd_str text = PD_STR_NULL;
    assert_int_equal(gen_read(&d->g, pd_str_fmt(&d->g.arena, "%s/out/%s", d->path, name), &text),
                     PD_OK);
    return text;
}

static inline void gen_dir_expect(struct gen_dir *d, const char *part)
{
    if (!strstr(d->errors, part))
        fail_msg("expected \"%s\" in:\n%s", part, d->errors);
}

#endif
