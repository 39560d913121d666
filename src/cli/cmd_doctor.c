/* cmd_doctor.c - pando doctor: what building an app needs, what of it is missing, and the command
 * that installs it on this distribution.
 *
 * A need is a program in PATH or a header the compiler finds. Each has a row with its package in
 * every family of distributions; which one this is says /etc/os-release (ID, then ID_LIKE).
 */
#include "cli/app.h"
#include "cli/cli.h"
#include "cli/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum family { DEBIAN, FEDORA, ARCH, ALPINE, FAMILIES };

static const struct {
    const char *ids; /* in os-release */
    const char *install;
} FAMILY[FAMILIES] = {
    [DEBIAN] = { "debian ubuntu", "apt-get install --no-install-recommends" },
    [FEDORA] = { "fedora rhel centos", "dnf install" },
    [ARCH] = { "arch", "pacman -S --needed" },
    [ALPINE] = { "alpine", "apk add" },
};

static const struct need {
    const char *program; /* NULL: it is a header */
    const char *header;
    const char *package[FAMILIES];
    const char *what_for;
    bool optional;
} NEEDS[] = {
    { "make", NULL, { "make", "make", "make", "make" }, "builds the app", false },
    { "cc", NULL, { "gcc", "gcc", "gcc", "gcc" }, "compiles C", false },
    { NULL,
      "stdio.h",
      { "libc6-dev", "glibc-devel", "glibc", "musl-dev" },
      "the C library",
      false },
    { NULL,
      "sqlite3.h",
      { "libsqlite3-dev", "sqlite-devel", "sqlite", "sqlite-dev" },
      "the database",
      false },
    { NULL,
      "postgresql/libpq-fe.h",
      { "libpq-dev", "libpq-devel", "postgresql-libs", "libpq-dev" },
      "the other database",
      false },
    { NULL,
      "sodium.h",
      { "libsodium-dev", "libsodium-devel", "libsodium", "libsodium-dev" },
      "passwords and sealed cookies",
      false },
    { NULL, "ini.h", { "libinih-dev", "inih-devel", "libinih", "inih-dev" }, "settings", false },
    { "addr2line",
      NULL,
      { "binutils", "binutils", "binutils", "binutils" },
      "file and line in crash reports",
      true },
    { "gdb", NULL, { "gdb", "gdb", "gdb", "gdb" }, "looking into a test: --here", true },
};
enum { NEEDS_N = sizeof NEEDS / sizeof NEEDS[0] };

/* --- the distribution ------------------------------------------------------------------------- */

/* The value of a line NAME=value or NAME="value" of os-release. */
static pd_str release_value(pd_str text, const char *name)
{
    pd_str line, key;
    while (pd_str_split(&text, '\n', &line)) {
        pd_str_split(&line, '=', &key);
        if (!pd_str_eq(key, pd_str_c(name)))
            continue;
        bool quoted = line.len > 1 && line.ptr[0] == '"';
        return quoted ? pd_str_sub(line, 1, line.len - 1) : line;
    }
    return PD_STR_NULL;
}

static bool has_word(pd_str list, pd_str wanted)
{
    pd_str word;
    while (pd_str_split(&list, ' ', &word))
        if (word.len && pd_str_eq(word, wanted))
            return true;
    return false;
}

/* FAMILIES if it is none we know. */
static enum family family_of(pd_str release)
{
    pd_str id = release_value(release, "ID"), like = release_value(release, "ID_LIKE"), word;
    for (int f = 0; f < FAMILIES; f++)
        if (has_word(pd_str_c(FAMILY[f].ids), id))
            return (enum family)f;
    while (pd_str_split(&like, ' ', &word))
        for (int f = 0; f < FAMILIES; f++)
            if (word.len && has_word(pd_str_c(FAMILY[f].ids), word))
                return (enum family)f;
    return FAMILIES;
}

/* --- what is there ---------------------------------------------------------------------------- */

/* The compiler decides where headers are; without one, the usual place does. */
static bool has_header(struct pd_arena *a, const char *header)
{
    pd_str out;
    int code;
    if (!cli_has_program("cc"))
        return cli_exists(a, pd_str_fmt(a, "/usr/include/%s", header));
    const char *script =
        pd_str_fmt(a, "echo '#include <%s>' | cc -E -o /dev/null -x c - 2>/dev/null", header).ptr;
    pd_err e =
        cli_capture(a, PD_STR(""), (const char *[]){ "/bin/sh", "-c", script, NULL }, &out, &code);
    return e == PD_OK && code == 0;
}

static bool is_there(struct pd_arena *a, const struct need *n)
{
    return n->program ? cli_has_program(n->program) : has_header(a, n->header);
}

static pd_str name_of(struct pd_arena *a, const struct need *n)
{
    return n->program ? pd_str_c(n->program) : pd_str_fmt(a, "<%s>", n->header);
}

/* Lists what is missing (or all) and collects the packages; the number of needs that are missing.
 */
static unsigned look(struct pd_arena *a, enum family family, bool all, bool optional,
                     struct pd_buf *packages)
{
    unsigned missing = 0;
    for (int i = 0; i < NEEDS_N; i++) {
        const struct need *n = &NEEDS[i];
        if (n->optional != optional)
            continue;
        bool there = is_there(a, n);
        if (all || !there)
            printf("  %-8s %-24.*s %s\n",
                   there      ? "ok"
                   : optional ? "absent"
                              : "MISSING",
                   PD_ARG(name_of(a, n)), n->what_for);
        if (there)
            continue;
        missing++;
        if (family < FAMILIES)
            pd_buf_fmt(packages, " %s", n->package[family]);
        else
            pd_buf_fmt(packages, " %.*s", PD_ARG(name_of(a, n)));
    }
    return missing;
}

static void say_remedy(enum family family, const struct pd_buf *packages)
{
    if (family == FAMILIES)
        printf("\n  remedy: install what provides%.*s\n", PD_ARG(pd_buf_str(packages)));
    else
        printf("\n  remedy: %s%s%.*s\n", getuid() == 0 ? "" : "sudo ", FAMILY[family].install,
               PD_ARG(pd_buf_str(packages)));
}

static int run(struct cli_args *args)
{
    struct pd_arena *a = args->arena;
    struct pd_buf packages, wanted;
    pd_str release = PD_STR("");
    bool quiet = cli_option(args, "--missing");
    const char *file = cli_option(args, "--os-release");
    pd_buf_init(&packages, a, 4096);
    pd_buf_init(&wanted, a, 4096);
    if (cli_read(a, pd_str_c(file ? file : "/etc/os-release"), &release) != PD_OK && file)
        return cli_complain(args->command, pd_diag()->code);
    enum family family = family_of(release);
    pd_str name = release_value(release, "PRETTY_NAME");
    if (!quiet)
        printf("pando " PANDO_VERSION " on %.*s\n\n",
               PD_ARG(name.len ? name : PD_STR("an unknown system")));
    unsigned missing = look(a, family, !quiet, false, &packages);
    if (!quiet)
        look(a, family, true, true, &wanted);
    if (missing)
        say_remedy(family, &packages);
    else if (!quiet)
        puts("\nNothing is missing.");
    return missing ? CLI_WRONG : CLI_OK;
}

const struct cli_command cmd_doctor = {
    .name = "doctor",
    .usage = "[--missing]",
    .doc = "say what is missing on this machine, and how to get it",
    .group = CLI_LOOK,
    .options =
        (const struct cli_opt[]){
            { "--missing", NULL, "only what is missing; nothing if all is there" },
            { "--os-release", "FILE",
              "instead of /etc/os-release: what another system would need" },
            { 0 } },
    .help =
        "Runs by itself when the first build of an app fails. Exit code 1: something is missing.\n"
        "\n"
        "  pando doctor\n"
        "  pando doctor --missing && make\n",
    .run = run,
};
