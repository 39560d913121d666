/* config.c - the input is a pando.conf, and each of its lines a variable of the environment too. A
 * configuration that loads has every setting within its bounds; one that does not says why. */
#include "app/config.h"
#include "fuzz.h"

#include <pando/err.h>

#include <stdio.h>
#include <unistd.h>

enum { PAIRS = 16 };

static const struct pd_setting own[] = {
    { "GREETING", "hello", "what to say", PD_SETTING_TEXT, 0, 0, false },
    { "LIMIT", "10k", "how much", PD_SETTING_SIZE, 0, 1 << 20, false },
};
static const struct pd_app app = {
    .name = "demo", .version = "1", .settings = own, .nsettings = 2
};

/* A folder of our own, as the file is read from the current one. */
static void enter_folder(void)
{
    static char dir[] = "/tmp/pando-fuzz-XXXXXX";
    static bool entered;
    if (entered)
        return;
    entered = true;
    pd_assert(mkdtemp(dir) && chdir(dir) == 0);
}

static void holds(pd_err err, struct pd_config *c)
{
    if (err) {
        pd_assert(err == PD_ECONFIG && pd_diag()->message[0]);
        return;
    }
    int64_t port = pd_config_int(c, "PORT"), limit = pd_config_int(c, "LIMIT");
    pd_assert(port >= 1 && port <= 65535 && limit >= 0 && limit <= 1 << 20);
    pd_assert(pd_config_get(c, "DATABASE_URL").len > 0);
    pd_config_free(c);
}

static void from_file(const uint8_t *data, size_t n)
{
    struct pd_config *c = NULL;
    FILE *f = fopen("pando.conf", "wb");
    pd_assert(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
    pd_err err = pd_config_load(&app, &c);
    holds(err, c);
    unlink("pando.conf");
}

static void from_pairs(pd_str text)
{
    struct pd_config *c = NULL;
    struct pd_arena a;
    const char *pairs[PAIRS];
    unsigned n = 0;
    pd_str line;
    pd_arena_init(&a, NULL);
    while (n < PAIRS && pd_str_split(&text, '\n', &line))
        pairs[n++] = pd_str_cstr(&a, line);
    pd_err err = pd_config_from(&app, pairs, n, &c);
    holds(err, c);
    pd_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enter_folder();
    from_file(data, n);
    from_pairs(fuzz_text(data, n));
    return 0;
}
