/* config_table.c - the platform's own settings: the one place where they are declared. */
#include "app/config.h"

static bool has_scheme(pd_str v, pd_str scheme)
{
    return pd_str_starts(v, scheme) && v.len > scheme.len;
}

static const char *check_database(pd_str v)
{
    bool known = has_scheme(v, PD_STR("sqlite:")) || has_scheme(v, PD_STR("postgres://")) ||
                 has_scheme(v, PD_STR("postgresql://"));
    return known ? NULL : "must be sqlite:PATH or postgres://user@host/database";
}

static const char *check_replicas(pd_str v)
{
    bool known = has_scheme(v, PD_STR("postgres://")) || has_scheme(v, PD_STR("postgresql://"));
    return !v.len || known ? NULL : "must be postgres://user@host/database, or several with commas";
}

static const char *check_cdn(pd_str v)
{
    bool web = has_scheme(v, PD_STR("https://")) || has_scheme(v, PD_STR("http://"));
    if (v.len && (!web || pd_str_ends(v, PD_STR("/"))))
        return "must be a URL like https://cdn.example.com, without a slash at the end";
    return NULL;
}

/* One key, or two with a comma: the first seals, both open. */
static const char *check_secret(pd_str v)
{
    unsigned n = 0;
    for (pd_str key; pd_str_split(&v, ',', &key); n++)
        if (key.len < 32)
            return "must have at least 32 characters (two keys may be joined by a comma)";
    return n > 2 ? "may hold at most two keys" : NULL;
}

static const char *check_token(pd_str v)
{
    return v.len && v.len < 16 ? "must have at least 16 characters" : NULL;
}

#define TEXT(n, def, text)                                                                         \
    {                                                                                              \
        n, def, text, PD_SETTING_TEXT, 0, 0, false                                                 \
    }
#define INT(n, def, text, lo, hi)                                                                  \
    {                                                                                              \
        n, def, text, PD_SETTING_INT, lo, hi, false                                                \
    }
#define SECS(n, def, text, lo, hi)                                                                 \
    {                                                                                              \
        n, def, text, PD_SETTING_SECONDS, lo, hi, false                                            \
    }
#define BOOL(n, def, text)                                                                         \
    {                                                                                              \
        n, def, text, PD_SETTING_BOOL, 0, 1, false                                                 \
    }

const struct pd_platform_setting pd_platform_settings[] = {
    { TEXT("PANDO_ENV", "development", "what this process is for"), "development|production|test" },
    { INT("PORT", "8080", "port to listen on", 1, 65535) },
    { TEXT("HOST", "", "address to listen on; default 127.0.0.1, in production 0.0.0.0") },
    { TEXT("DATABASE_URL", "", "sqlite:PATH or postgres://…; default sqlite:var/<app>.db"),
      .check = check_database },
    { INT("DATABASE_CONNECTIONS", "0",
          "to each PostgreSQL server, of this process; 0 = a fair share, 2 to 8 per thread", 0,
          10000) },
    { TEXT("DATABASE_REPLICA_URLS", "",
           "further PostgreSQL servers of the same cluster, comma-separated"),
      .check = check_replicas },
    { TEXT("REDIS_URL", "", "cache shared by instances"), .flags = PD_SET_ABSENT },
    { INT("WORKERS", "0", "job workers in this process; 0 = only web", 0, 0) },
    { INT("THREADS", "0", "loop threads; 0 = 1 in development, one per CPU in production", 0,
          256) },
    { TEXT("CDN_URL", "", "where browsers fetch assets from"), .check = check_cdn },
    { TEXT("SECRET_KEY", "", "seals cookies and links; required in production"),
      .flags = PD_SET_SECRET, .check = check_secret },
    { TEXT("LOG_LEVEL", "info", "least level logged"), "debug|info|warn|error" },
    { TEXT("LOG_FORMAT", "text", "form of the log"), "text|json" },
    { BOOL("ACCESS_LOG", "on", "one line per request") },
    { TEXT("TRUSTED_PROXIES", "", "addresses whose X-Forwarded-* count, comma-separated") },
    { TEXT("SECURITY_HEADERS", "app",
           "who adds Content-Security-Policy and the like; the proxy: one of TRUSTED_PROXIES"),
      "app|proxy" },
    { TEXT("METRICS_TOKEN", "", "bearer token for /metrics; required there in production"),
      .flags = PD_SET_SECRET, .check = check_token },
    { SECS("REQUEST_SECONDS", "30", "deadline of a request", 1, 3600) },
    { INT("HANDLER_BUDGET_MS", "50",
          "in tests: CPU time a handler may take between two waits; 0 = unlimited", 0, 60000) },
    { INT("SLOW_STATEMENT_MS", "200",
          "statements that take so long are logged, with their plan; 0 = none", 0, 3600000) },
    { SECS("MIGRATION_WAIT_SECONDS", "0",
           "in production: how long serve waits for migrations that another program applies, and "
           "migrate for older programs to end",
           0, 3600) },
    { SECS("DRAIN_SECONDS", "10", "how long a stop waits for requests in flight", 0, 3600) },
    { TEXT("PANDO_FAULTS", "", "faults to inject; builds with assertions only") },
};
const unsigned pd_nplatform_settings = sizeof pd_platform_settings / sizeof pd_platform_settings[0];
