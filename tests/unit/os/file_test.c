/* file_test.c - small whole files. */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/pando-file-test-XXXXXX";
static struct pd_arena arena;

static pd_str in_folder(const char *name)
{
    return pd_str_fmt(&arena, "%s/%s", folder, name);
}

static int setup(void **state)
{
    (void)state;
    pd_arena_init(&arena, NULL);
    return mkdtemp(folder) ? 0 : -1;
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char *inside = pd_str_cstr(&arena, pd_str_fmt(&arena, "%s/%s", path, e->d_name));
        if (unlink(inside) != 0)
            remove_tree(inside);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int teardown(void **state)
{
    (void)state;
    remove_tree(folder);
    pd_arena_fini(&arena);
    return 0;
}

static unsigned entries(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    pd_str path = in_folder("a"), text;
    struct stat st;
    assert_int_equal(pd_os_file_write(path, PD_STR("one\0two"), 0640), PD_OK);
    assert_int_equal(pd_os_file_read(&arena, path, 100, &text), PD_OK);
    assert_true(pd_str_eq(text, PD_STR("one\0two")));
    assert_int_equal(stat(path.ptr, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);                         /* whatever the umask */
    assert_int_equal(pd_os_file_write(path, PD_STR(""), 0600), PD_OK); /* replaces */
    assert_int_equal(pd_os_file_read(&arena, path, 100, &text), PD_OK);
    assert_int_equal(text.len, 0);
    assert_int_equal(entries(folder), 1); /* no temporary file is left */
}

static void reading_has_a_limit(void **state)
{
    (void)state;
    pd_str path = in_folder("b"), text;
    static char big[10000];
    memset(big, 'x', sizeof big);
    assert_int_equal(pd_os_file_write(path, pd_str_n(big, sizeof big), 0600), PD_OK);
    assert_int_equal(pd_os_file_read(&arena, path, sizeof big, &text), PD_OK);
    assert_int_equal(text.len, sizeof big);
    assert_int_equal(pd_os_file_read(&arena, path, sizeof big - 1, &text), PD_ETOOBIG);
    assert_int_equal(pd_os_file_read(&arena, PD_STR("/proc/self/maps"), 1 << 20, &text), PD_OK);
    assert_true(text.len > 0); /* its size says 0 */
    assert_int_equal(pd_os_file_read(&arena, PD_STR("/dev/zero"), 100000, &text), PD_ETOOBIG);
}

static void failures_say_which_file(void **state)
{
    (void)state;
    pd_str text;
    assert_int_equal(pd_os_file_read(&arena, in_folder("none"), 10, &text), PD_ENOTFOUND);
    assert_non_null(strstr(pd_diag()->message, "none"));
    assert_int_equal(pd_diag()->os_errno, ENOENT);
    assert_int_equal(pd_os_file_read(&arena, pd_str_c(folder), 10, &text), PD_EINVAL);
    assert_int_equal(pd_os_file_write(in_folder("no/where"), PD_STR("x"), 0600), PD_ENOTFOUND);
    assert_int_equal(pd_os_file_read(&arena, PD_STR("a\0b"), 10, &text), PD_EINVAL);
    assert_int_equal(pd_os_file_read(&arena, PD_STR_NULL, 10, &text), PD_EINVAL);
}

static void failed_write_leaves_the_old_file(void **state)
{
    (void)state;
    pd_str path = in_folder("dir"), text;
    assert_int_equal(pd_os_dir_make(in_folder("dir")), PD_OK);
    unsigned before = entries(folder);
    assert_int_not_equal(pd_os_file_write(path, PD_STR("x"), 0600), PD_OK); /* it is a folder */
    assert_int_equal(entries(folder), before);
    assert_int_not_equal(pd_os_file_read(&arena, path, 10, &text), PD_OK);
}

/* The disk is full, or here: the process may write no more than ten bytes to a file. */
static void half_a_write_leaves_the_old_file_and_no_other(void **state)
{
    (void)state;
    pd_str path = in_folder("half"), text;
    struct rlimit old, low;
    assert_int_equal(pd_os_file_write(path, PD_STR("old"), 0600), PD_OK);
    unsigned before = entries(folder);
    getrlimit(RLIMIT_FSIZE, &old);
    low = (struct rlimit){ 10, old.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &low);
    pd_err err = pd_os_file_write(path, PD_STR("more than ten bytes"), 0600);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(err, PD_ETOOBIG);
    assert_int_equal(pd_diag()->os_errno, EFBIG);
    assert_int_equal(entries(folder), before);
    assert_int_equal(pd_os_file_read(&arena, path, 100, &text), PD_OK);
    assert_true(pd_str_eq(text, PD_STR("old")));
}

static void file_of_this_folder_needs_no_path(void **state)
{
    (void)state;
    char before[1024];
    pd_str text;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(pd_os_file_write(PD_STR("here"), PD_STR("x"), 0600), PD_OK);
    assert_int_equal(pd_os_file_read(&arena, PD_STR("here"), 10, &text), PD_OK);
    assert_int_equal(chdir(before), 0);
    assert_true(pd_str_eq(text, PD_STR("x")));
}

static void folders_are_made_with_parents(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(pd_os_dir_make(in_folder("x/y//z/")), PD_OK);
    assert_int_equal(pd_os_dir_make(in_folder("x/y/z")), PD_OK); /* existing is fine */
    assert_int_equal(stat(in_folder("x/y/z").ptr, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(pd_os_file_write(in_folder("file"), PD_STR("x"), 0600), PD_OK);
    assert_int_not_equal(pd_os_dir_make(in_folder("file")), PD_OK);
    assert_int_not_equal(pd_os_dir_make(in_folder("file/below")), PD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(reading_has_a_limit),
        cmocka_unit_test(failures_say_which_file),
        cmocka_unit_test(failed_write_leaves_the_old_file),
        cmocka_unit_test(half_a_write_leaves_the_old_file_and_no_other),
        cmocka_unit_test(file_of_this_folder_needs_no_path),
        cmocka_unit_test(folders_are_made_with_parents),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
