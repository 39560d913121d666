/* config.h - settings: environment first, then pando.conf, then defaults.
 *
 *     struct pd_config *cfg;
 *     PD_TRY(pd_config_load(app, &cfg));                 // one clear line if a setting is wrong
 *     pd_str url = pd_config_get(cfg, "DATABASE_URL");
 *
 * Every setting is declared, by the platform (config_table.c) or by the app. An unknown key in
 * pando.conf, an unknown PANDO_ variable, a malformed value, or a setting that asks for something
 * this version does not have, is PD_ECONFIG with the name in the message.
 *
 * Immutable after loading: any thread may read. Freed with pd_config_free.
 */
#ifndef PD_CONFIG_H
#define PD_CONFIG_H

#include <pando/app.h>

struct pd_config;

enum { PD_CONFIG_FILE_MAX = 64 << 10 };

/* From the process's environment and ./pando.conf, if there is one. */
pd_err pd_config_load(const struct pd_app *app, struct pd_config **out) PD_MUST;
/* From "NAME=VALUE" strings only: tests and simulation. */
pd_err pd_config_from(const struct pd_app *app, const char *const *pairs, unsigned n,
                      struct pd_config **out) PD_MUST;
void pd_config_free(struct pd_config *c);

/* Asking for a setting that is not declared panics. Text lives as long as the config. */
pd_str pd_config_get(const struct pd_config *c, const char *name);
int64_t pd_config_int(const struct pd_config *c, const char *name); /* also bool, size, seconds */
bool pd_config_is(const struct pd_config *c, const char *name, const char *value);

/* Makes `c` the one that pd_setting() and friends read. The caller keeps it alive. */
void pd_config_use(const struct pd_config *c);

/* Fills SECRET_KEY if it was not given: kept in `dir`/secret_key (mode 0600), made when absent.
 * PD_ECONFIG in production. Blocking. */
pd_err pd_config_secret(struct pd_config *c, const char *dir) PD_MUST;

/* Loop threads of this process: THREADS, or what its 0 means here. */
unsigned pd_config_threads(const struct pd_config *c);

/* --- the platform's table (config_table.c) -------------------------------------------------- */

enum pd_setting_flags {
    PD_SET_SECRET = 1,
    PD_SET_ABSENT = 2, /* named by the contract, not in this version: refused when given */
};
struct pd_platform_setting {
    struct pd_setting s;
    const char *choices; /* "a|b|c", or NULL */
    unsigned flags;
    const char *(*check)(pd_str value); /* what is wrong with it, or NULL */
};
extern const struct pd_platform_setting pd_platform_settings[];
extern const unsigned pd_nplatform_settings;

#endif
