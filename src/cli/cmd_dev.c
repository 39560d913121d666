/* cmd_dev.c - pando dev: the app built, running and reloaded while one works on it (dev/). */
#include "cli/cli.h"
#include "cli/dev/dev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEFAULT_PORT = 8080 };

/* "PORT = 9000" in the app's pando.conf; NULL if it is not there. The program reads it with more
 * care, and says what is wrong with the rest. */
static const char *port_of_settings(struct pd_arena *a)
{
    pd_str text, line;
    if (pd_os_file_read(a, PD_STR("pando.conf"), 64 << 10, &text) != PD_OK)
        return NULL;
    while (pd_str_split(&text, '\n', &line)) {
        size_t equals = pd_str_find(line, '=');
        if (equals != PD_NPOS &&
            pd_str_eq(pd_str_trim(pd_str_sub(line, 0, equals)), PD_STR("PORT")))
            return pd_str_cstr(a, pd_str_trim(pd_str_sub(line, equals + 1, line.len)));
    }
    return NULL;
}

static pd_err choose_port(struct pd_arena *a, const char *option, uint16_t *port)
{
    const char *text = option ? option : getenv("PORT");
    text = text ? text : port_of_settings(a);
    int64_t value = DEFAULT_PORT;
    if (text && (!pd_str_to_i64(pd_str_c(text), &value) || value < 1 || value > 65535))
        return pd_hint(pd_fail(PD_EINVAL, "\"%s\" is not a port", text),
                       option ? "--port 9000" : "PORT=9000 pando dev");
    *port = (uint16_t)value;
    return PD_OK;
}

static pd_err listen_on(const char *host, uint16_t port, pd_os_sock *out)
{
    struct pd_os_addr addr;
    char text[PD_OS_ADDR_TEXT];
    snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    if (!pd_os_addr_parse(pd_str_c(text), &addr))
        return pd_hint(pd_fail(PD_EINVAL, "\"%s\" is not a numeric address", host),
                       "--host 0.0.0.0 lets other machines in");
    *out = pd_os_listen(&addr, NULL);
    if (*out == -EADDRINUSE)
        return pd_hint(pd_fail(PD_EBUSY, "port %u is in use by another program", (unsigned)port),
                       "pando dev --port %u, or end the other one (ss -ltnp | grep :%u)",
                       port < 65535 ? port + 1u : 9000u, (unsigned)port);
    return *out < 0 ? pd_fail_errno(pd_err_from_errno(-*out), -*out, "cannot listen on %s", text)
                    : PD_OK;
}

/* The app's Makefile asks `pando` for its data files: it should be this one. */
static pd_err announce_tool(struct pd_arena *a)
{
    pd_str dir;
    PD_TRY(cli_own_dir(a, &dir));
    setenv("PANDO", pd_str_cstr(a, pd_str_fmt(a, "%.*s/pando", PD_ARG(dir))), 0);
    return PD_OK;
}

static pd_err enter_app(const char **dir)
{
    if (access("Makefile", R_OK) != 0)
        return pd_hint(pd_fail(PD_ENOTFOUND, "there is no Makefile here, so this is no app"),
                       "cd to the app's folder, or make one: pando new NAME");
    *dir = realpath(".", NULL);
    return *dir ? PD_OK : pd_fail_errno(PD_EIO, errno, "cannot find this folder");
}

static void trust_the_proxy(struct pd_arena *a, struct dev *d)
{
    const char *set = getenv("TRUSTED_PROXIES");
    d->trusts = set && *set;
    d->trusted = d->trusts ? pd_str_cstr(a, pd_str_fmt(a, "127.0.0.1,%s", set)) : "127.0.0.1";
}

static pd_err prepare(struct cli_args *args, struct dev *d, pd_os_sock *listener)
{
    const char *host = cli_option(args, "--host");
    uint16_t port = 0;
    PD_TRY(enter_app(&d->dir));
    PD_TRY(cli_share_dir(args->arena, &d->share));
    PD_TRY(announce_tool(args->arena));
    PD_TRY(choose_port(args->arena, cli_option(args, "--port"), &port));
    PD_TRY(listen_on(host ? host : "127.0.0.1", port, listener));
    d->url =
        pd_str_cstr(args->arena, pd_str_fmt(args->arena, "http://localhost:%u", (unsigned)port));
    d->open = cli_option(args, "--open");
    trust_the_proxy(args->arena, d);
    return PD_OK;
}

static int run(struct cli_args *args)
{
    struct dev *d = calloc(1, sizeof *d);
    pd_os_sock listener = -1;
    pd_assert(d);
    pd_err err = prepare(args, d, &listener);
    int code = err ? cli_complain(args->command, err) : dev_supervise(d, listener);
    free((char *)(uintptr_t)d->dir);
    free(d);
    return code;
}

const struct cli_command cmd_dev = {
    .name = "dev",
    .usage = "[--port N] [--host ADDRESS] [--open]",
    .doc = "build and run the app here; again whenever a file is saved",
    .group = CLI_WORK,
    .options =
        (const struct cli_opt[]){
            { "--port", "N", "where the browser finds it; else the setting PORT, else 8080" },
            { "--host", "ADDRESS", "address to listen on; 127.0.0.1, so only this machine" },
            { "--open", NULL, "open the browser once it runs" },
            { 0 } },
    .help = "The page reloads by itself after a save; errors of the build and crashes are shown in "
            "it.\n"
            "No request fails meanwhile: they wait until the program is ready.\n"
            "\n"
            "  pando dev                    http://localhost:8080\n"
            "  pando dev --port 9000 --open\n"
            "  LOG_LEVEL=debug pando dev    settings go to the program\n"
            "  MODE=asan pando dev          built with AddressSanitizer and UBSan\n",
    .run = run,
};
