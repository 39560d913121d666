/* gen_app.c - see gen_app.h. */
#include "gen_app.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void hear(void *arg, pd_str text)
{
    struct app *a = arg;
    pd_str dir = pd_str_c(a->dir);
    size_t at;
    while ((at = pd_str_find_str(text, dir)) != PD_NPOS) {
        pd_buf_put(&a->said, pd_str_sub(text, 0, at));
        text = pd_str_sub(text, at + dir.len + 1, text.len);
    }
    pd_buf_put(&a->said, text);
}

pd_str file_text(struct app *a, pd_str path)
{
    FILE *f = fopen(pd_str_cstr(&a->arena, path), "rb");
    struct pd_buf b;
    char piece[2048];
    size_t n;
    if (!f)
        return PD_STR_NULL;
    pd_buf_init(&b, &a->arena, 16 << 20);
    pd_buf_put(&b, PD_STR(""));
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        pd_buf_put(&b, pd_str_n(piece, n));
    fclose(f);
    return b.len ? pd_buf_str(&b) : PD_STR("");
}

pd_str source_file(struct app *a, const char *name)
{
    return file_text(a, pd_str_fmt(&a->arena, "%s/%s", SOURCE_DIR, name));
}

pd_str app_read(struct app *a, const char *name)
{
    return file_text(a, pd_str_fmt(&a->arena, "%s/%s", a->dir, name));
}

void app_write(struct app *a, const char *name, pd_str text)
{
    char *path = pd_str_cstr(&a->arena, pd_str_fmt(&a->arena, "%s/%s", a->dir, name));
    for (char *at = path + strlen(a->dir) + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (text.len)
        assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
}

static void copy(struct app *a, const char *name)
{
    pd_str from = source_file(a, pd_str_cstr(&a->arena, pd_str_fmt(&a->arena, "app/%s", name)));
    assert_false(pd_str_is_null(from));
    app_write(a, name, from);
}

void app_begin(struct app *a)
{
    *a = (struct app){ .dir = "/tmp/pando-gen-XXXXXX" };
    assert_non_null(mkdtemp(a->dir));
    pd_arena_init(&a->arena, &(struct pd_arena_opts){ .budget = (size_t)1 << 30 });
    pd_buf_init(&a->said, &a->arena, 16 << 20);
    gen_init(&a->g);
    a->g.report = hear;
    a->g.report_arg = a;
}

void app_open(struct app *a)
{
    static const char *const files[] = {
        "modules/crew/migrations/0001_crew.sql",
        "modules/crew/queries.sql",
        "modules/shop/migrations/0001_shop.sql",
        "modules/shop/migrations/0002_rename.sql",
        "modules/shop/queries.sql",
    };
    app_begin(a);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        copy(a, files[i]);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void app_close(struct app *a)
{
    gen_fini(&a->g);
    pd_arena_fini(&a->arena);
    nftw(a->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void app_run(struct app *a)
{
    assert_int_equal(gen_scan(&a->g, pd_str_c(a->dir)), PD_OK);
    a->g.out_dir = pd_str_fmt(&a->g.arena, "%s/out", a->dir);
    gen_sql_read(&a->g);
    gen_shapes_read(&a->g);
    gen_model_resolve(&a->g);
}

void app_emit(struct app *a)
{
    assert_int_equal(a->g.errors, 0);
    assert_int_equal(gen_sql_write(&a->g), PD_OK);
    assert_int_equal(gen_shapes_write(&a->g), PD_OK);
    assert_int_equal(gen_lock_write(&a->g), PD_OK);
}

int run_program(const char *const *argv, bool quietly)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        if (quietly && nowhere >= 0)
            dup2(nowhere, STDERR_FILENO);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
