/* seal.c - makes what is private to a module local to it.
 *
 * The objects of a module become one (`ld -r`), in which only those symbols stay global that others
 * may use (`objcopy --keep-global-symbols`): names that stand in <m>.h or shapes.h, the shapes of
 * its structs, and the statements by which gen loads rows for relations of other modules. A
 * declaration by `extern` in another module then finds nothing to link with.
 */
#include "check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* --- what stays global -------------------------------------------------------------------------
 */

static void keep_symbol(struct check *k, struct check_module *m, struct pd_buf *list, pd_str name)
{
    if (check_is_public(k, m, name) || pd_str_ends(name, PD_STR("_get_many_stmt")))
        pd_buf_fmt(list, "%.*s\n", PD_ARG(name));
}

static void read_symbols(struct check *k, struct check_module *m, Elf *elf, Elf_Scn *scn,
                         const GElf_Shdr *h, struct pd_buf *list)
{
    Elf_Data *data = elf_getdata(scn, NULL);
    size_t n = data && h->sh_entsize ? h->sh_size / h->sh_entsize : 0;
    for (size_t i = 0; i < n; i++) {
        GElf_Sym sym;
        if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_BIND(sym.st_info) == STB_LOCAL ||
            sym.st_shndx == SHN_UNDEF)
            continue;
        const char *name = elf_strptr(elf, h->sh_link, sym.st_name);
        if (name && name[0])
            keep_symbol(k, m, list, pd_str_c(name));
    }
}

static pd_err read_object(struct check *k, struct check_module *m, const char *path,
                          struct pd_buf *list)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pd_fail_errno(PD_ENOTFOUND, errno, "cannot open %s", path);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    bool object = elf && elf_kind(elf) == ELF_K_ELF;
    for (Elf_Scn *scn = NULL; object && (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr h;
        if (gelf_getshdr(scn, &h) && h.sh_type == SHT_SYMTAB)
            read_symbols(k, m, elf, scn, &h, list);
    }
    elf_end(elf);
    close(fd);
    return object ? PD_OK : pd_fail(PD_EINVAL, "%s is no object", path);
}

/* --- binutils ----------------------------------------------------------------------------------
 */

static pd_err run(char **argv)
{
    pid_t pid;
    int status = 0, failed = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (failed)
        return pd_hint(pd_fail_errno(PD_EUNAVAIL, failed, "cannot run %s", argv[0]),
                       "apt-get install binutils");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return pd_fail(PD_EIO, "%s failed", argv[0]);
    return PD_OK;
}

static pd_err join(struct check *k, const struct check_seal *s, char *joined)
{
    char **argv = pd_arena_new_n(&k->arena, char *, s->nobjects + 5);
    size_t n = 0;
    argv[n++] = (char *)(uintptr_t) "ld";
    argv[n++] = (char *)(uintptr_t) "-r";
    argv[n++] = (char *)(uintptr_t) "-o";
    argv[n++] = joined;
    for (size_t i = 0; i < s->nobjects; i++)
        argv[n++] = (char *)(uintptr_t)s->objects[i];
    return run(argv);
}

static pd_err localise(struct check *k, char *joined, char *sealed, const char *list)
{
    char *keep = pd_str_cstr(&k->arena, pd_str_fmt(&k->arena, "--keep-global-symbols=%s", list));
    char *argv[] = { (char *)(uintptr_t) "objcopy", keep, joined, sealed, NULL };
    return run(argv);
}

/* An empty list would keep all: objcopy takes a name that nobody has. */
static pd_err write_list(struct check *k, const char *path, struct pd_buf *list)
{
    pd_buf_put(list, PD_STR("pd_nothing_else\n"));
    if (list->failed)
        return pd_fail(PD_ETOOBIG, "the module has too many public symbols");
    k->gen.out_dir = PD_STR(".");
    if (path[0] == '/')
        k->gen.out_dir = PD_STR("/");
    return gen_write(&k->gen, pd_str_c(path), pd_buf_str(list));
}

static char *own_file(struct check *k, const struct check_seal *s, const char *what)
{
    pd_str name = pd_str_fmt(&k->arena, "%s.%ld.%s", s->out, (long)getpid(), what);
    return pd_str_cstr(&k->arena, name);
}

/* In files of this process's own, renamed at the end: two builds may run at the same time, and a
 * linker must never see half an object. */
static pd_err make(struct check *k, const struct check_seal *s, struct pd_buf *list)
{
    char *names = own_file(k, s, "public"), *joined = own_file(k, s, "joined");
    char *sealed = own_file(k, s, "sealed");
    pd_err e = write_list(k, names, list);
    if (e == PD_OK)
        e = join(k, s, joined);
    if (e == PD_OK)
        e = localise(k, joined, sealed, names);
    if (e == PD_OK && rename(sealed, s->out) < 0)
        e = pd_fail_errno(PD_EIO, errno, "cannot write %s", s->out);
    unlink(names);
    unlink(joined);
    unlink(sealed);
    return e;
}

pd_err check_seal(struct check *k, const struct check_seal *s)
{
    struct pd_buf list;
    pd_buf_init(&list, &k->arena, 4 << 20);
    PD_TRY(check_modules_scan(k));
    struct check_module *m = check_module_find(k, pd_str_c(s->module));
    if (!m)
        return pd_hint(pd_fail(PD_ENOTFOUND, "there is no module \"%s\"", s->module),
                       "name a folder of %.*s/modules", PD_ARG(k->opts.app));
    if (elf_version(EV_CURRENT) == EV_NONE)
        return pd_fail(PD_EUNSUPPORTED, "libelf is too old");
    for (size_t i = 0; i < s->nobjects; i++)
        PD_TRY(read_object(k, m, s->objects[i], &list));
    return make(k, s, &list);
}
