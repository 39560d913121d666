/* web.h - requests and replies as authors see them.
 *
 *     static pd_status show_account(struct pd_ctx *c)
 *     {
 *         struct ledger_account *a = ledger_account_by_id(c, pd_path_id(c, "id"));
 *         if (!a || a->org_id != c->org_id)
 *             return pd_not_found(c);
 *         return pd_json(c, 200, ledger_account, a);
 *     }
 *
 *     static const struct pd_route routes[] = {
 *         { PD_GET_, "/api/v1/accounts/{id:id}", show_account, .auth = PD_AUTH_USER },
 *     };
 *
 * A handler is straight-line code in a fiber of its own. It returns the status that one of the
 * reply functions gave it. Everything it allocates belongs to the request and goes with it. The
 * platform commits before a reply < 400 is sent and rolls back otherwise (db.h).
 *
 * Threading: call these only from the handler's fiber. Those that wait are PD_YIELDS.
 */
#ifndef PANDO_WEB_H
#define PANDO_WEB_H

#include <pando/db.h>

/* A static file, embedded by the build (`pando gen` makes the table from assets/). */
struct pd_asset {
    const char *name;   /* "app.css" */
    const char *hashed; /* "app-3f9c0a12.css" */
    const char *content_type;
    const unsigned char *data, *gzip, *brotli; /* precompressed; NULL if not smaller */
    size_t size, gzip_size, brotli_size;
};

typedef struct pd_status { /* made by the reply functions only */
    int code;
} pd_status;

/* --- routes -------------------------------------------------------------------------------- */

enum pd_route_method {
    PD_GET_ = 1,
    PD_POST_,
    PD_PUT_,
    PD_PATCH_,
    PD_DELETE_
}; /* HEAD follows GET */

enum pd_auth {
    PD_AUTH_NONE,   /* anybody; c->user_id is set if signed in */
    PD_AUTH_USER,   /* signed in: else 401 (API) or a redirect to the sign-in page */
    PD_AUTH_WRITER, /* signed in and not merely a viewer: else 403 */
    PD_AUTH_ADMIN,  /* admin or owner */
};

struct pd_route {
    enum pd_route_method method;
    /* "/accounts/{id:id}/rows/{n:int}"; kinds: str (default), int, id, uuid, date, rest (only
     * last). A segment that is not of its kind does not match: 404. Static segments win over
     * parameters, parameters over rest, segment by segment from the left. Two routes of one method
     * that could match the same path with the same precedence stop the start. */
    const char *pattern;
    pd_status (*handler)(struct pd_ctx *c) PD_YIELDS;
    enum pd_auth auth;
    uint32_t max_body;   /* bytes; 0 = the server's limit */
    uint32_t timeout_ms; /* deadline, instead of the server's; 0 = the server's */
    uint32_t budget_ms;  /* in tests: CPU time between two waits; 0 = HANDLER_BUDGET_MS */
    bool stream_body;    /* the handler reads the body with pd_body_next */
    bool any_origin;     /* exempt from the cross-site check (token APIs) */
    const char *doc;     /* one line, for `routes` and OpenAPI */
};

/* --- the request ------------------------------------------------------------------------------ */

/* What was asked. All text lives as long as the request. */
pd_str pd_method(struct pd_ctx *c);
pd_str pd_path(struct pd_ctx *c);                     /* decoded, normalised */
pd_str pd_header(struct pd_ctx *c, const char *name); /* null if absent */
pd_str pd_cookie(struct pd_ctx *c, const char *name); /* null if absent */
pd_str pd_client_ip(struct pd_ctx *c);
bool pd_wants_html(struct pd_ctx *c); /* pages, not the API */

/* Parameters of the route's pattern. A name that is not in the pattern panics. */
pd_id pd_path_id(struct pd_ctx *c, const char *name);   /* kinds id and int */
pd_str pd_path_str(struct pd_ctx *c, const char *name); /* decoded */
pd_uuid pd_path_uuid(struct pd_ctx *c, const char *name);
pd_date pd_path_date(struct pd_ctx *c, const char *name);

/* Query string, one by one; decoded; null if absent. */
pd_str pd_query(struct pd_ctx *c, const char *name);

/* Fills a struct described by a shape from the query string, an HTML form (urlencoded or multipart)
 * or a JSON body. On wrong input they return false and keep the field errors; the handler then
 * returns pd_invalid(c) (problem+json 400/413/415/422), or shows the form again with
 * pd_form_errors. The body may be read more than once: as texts, to be shown again, and as what it
 * means. */
#define pd_read_query(c, type, out) pd_read_query_((c), &type##_shape, (out))
#define pd_read_form(c, type, out)  pd_read_form_((c), &type##_shape, (out))
#define pd_read_json(c, type, out)  pd_read_json_((c), &type##_shape, (out))
bool pd_read_query_(struct pd_ctx *c, const struct pd_shape *shape, void *out);
bool pd_read_form_(struct pd_ctx *c, const struct pd_shape *shape, void *out) PD_YIELDS;
bool pd_read_json_(struct pd_ctx *c, const struct pd_shape *shape, void *out) PD_YIELDS;
/* The errors kept by the last read, plus those the handler adds. */
struct pd_field_errors *pd_form_errors(struct pd_ctx *c);
void pd_field_error(struct pd_ctx *c, const char *field, const char *fmt, ...) PD_PRINTF(3, 4);
pd_str pd_field_error_of(struct pd_ctx *c, const char *field); /* message, or null */

/* For the page of a form. `out` is a struct of texts (pd_str), named like the form's fields.
 * pd_form_show fills it with what was typed, if this request has read a form; else with what
 * `value` (a struct of `type`, NULL: nothing) says. pd_form_wrong fills it with the fields' errors;
 * null where there is none. */
#define pd_form_show(c, form, out, type, value)                                                    \
    pd_form_show_((c), &form##_shape, (out), &type##_shape, (value))
#define pd_form_wrong(c, form, out) pd_form_wrong_((c), &form##_shape, (out))
void pd_form_show_(struct pd_ctx *c, const struct pd_shape *form, void *out,
                   const struct pd_shape *shape, const void *value);
void pd_form_wrong_(struct pd_ctx *c, const struct pd_shape *form, void *out);

/* Streaming: the next piece of the body; empty at the end. Only with .stream_body. */
pd_err pd_body_next(struct pd_ctx *c, pd_str *piece) PD_MUST PD_YIELDS;

/* --- replies -------------------------------------------------------------------------------------
 */

#define pd_json(c, status, type, value) pd_json_((c), (status), &type##_shape, (value))
pd_status pd_json_(struct pd_ctx *c, int status, const struct pd_shape *shape, const void *value);
/* A body as it is. A content type that cannot stand in a header (see pd_reply_header) is sent as
 * application/octet-stream. */
pd_status pd_text(struct pd_ctx *c, int status, pd_str content_type, pd_str body);
pd_status pd_no_content(struct pd_ctx *c); /* 204 */
/* 303. Local paths only: anything a browser could take for another site goes to "/" instead. */
pd_status pd_redirect(struct pd_ctx *c, const char *fmt, ...) PD_PRINTF(2, 3);

/* application/problem+json in the API, an error page for browsers. `code` is a stable word. */
pd_status pd_problem(struct pd_ctx *c, int status, const char *code, const char *fmt, ...)
    PD_PRINTF(4, 5);
pd_status pd_invalid(struct pd_ctx *c);   /* what the last pd_read_… or pd_field_error found */
pd_status pd_not_found(struct pd_ctx *c); /* 404: absent, or not the caller's */
pd_status pd_forbidden(struct pd_ctx *c); /* 403 */

/* Adds a header to the reply. One that carries CR, LF, NUL or another control is never sent: it
 * panics in development, elsewhere it is dropped and logged. */
void pd_reply_header(struct pd_ctx *c, const char *name, pd_str value);
/* Cache-Control; default is "private, no-store" when somebody is signed in, else "no-cache". A
 * reply that sets a cookie is "private, no-store" in any case, and an error (pd_problem,
 * pd_not_found, …) has the default whatever was said before. */
void pd_cache_control(struct pd_ctx *c, pd_str value);

/* What templates write into; the generated render functions call these. */
struct pd_buf *pd_html_begin(struct pd_ctx *c);
pd_status pd_html_end(struct pd_ctx *c, int status);

/* --- sessions
 * --------------------------------------------------------------------------------------- */

/* A session is a sealed cookie (XChaCha20-Poly1305): nothing is kept on the server. The app's
 * authenticate hook decides whether it still counts. */
struct pd_session_data {
    pd_id user_id, org_id;
    pd_uuid id; /* of the session, made at sign-in: for "end all copies" */
    pd_time started;
    pd_time seen; /* refreshed at most once per hour */
};
/* Signs in: sets the cookie with this reply. A new session id each time. */
void pd_session_start(struct pd_ctx *c, pd_id user_id, pd_id org_id);
void pd_session_end(struct pd_ctx *c);                          /* clears the cookie */
const struct pd_session_data *pd_session_get(struct pd_ctx *c); /* NULL if not signed in */

/* One message shown on the next page, in a sealed short-lived cookie. */
void pd_flash_set(struct pd_ctx *c, const char *kind, const char *fmt, ...) PD_PRINTF(3, 4);
pd_str pd_flash_take(struct pd_ctx *c); /* null if none */
pd_str pd_flash_kind(struct pd_ctx *c); /* of the one taken; null if none */

/* argon2id on the offload pool, bounded in number (libsodium: 46 MiB, 1 pass, 1 lane; OWASP 2023).
 */
pd_err pd_password_hash(struct pd_ctx *c, pd_str password, pd_str *hash) PD_MUST PD_YIELDS;
/* *ok says whether it matches. `hash` null: takes the same time and says no (unknown user). */
pd_err pd_password_verify(struct pd_ctx *c, pd_str password, pd_str hash,
                          bool *ok) PD_MUST PD_YIELDS;

/* Seals at most 4 KiB with the app's key for a purpose ("cursor"), base64url; more fails the
 * context. Opening fails if it was made for another purpose, changed, or older than max_age (0 =
 * any age). Used for cursors and links. */
pd_str pd_seal(struct pd_ctx *c, const char *purpose, pd_str plain);
bool pd_unseal(struct pd_ctx *c, const char *purpose, pd_str sealed, int64_t max_age_us,
               pd_str *plain);

/* A fresh random UUID (version 4): the hidden idempotency key of a form. */
pd_uuid pd_uuid_new(void);

/* URL of a static asset by its name in assets/: hashed, immutable ("/assets/app-3f9c….css"). */
pd_str pd_asset_url(struct pd_ctx *c, pd_str name);

#endif
