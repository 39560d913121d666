/* session.c - who asks, in a sealed cookie; the flash message, and what replicas must have, in
 * others.
 *
 * The cookie holds the whole session, sealed: the server keeps nothing, so any instance can serve
 * any request. It counts for SESSION_IDLE after it was last refreshed and SESSION_MOST in all, then
 * it is none. A refresh seals the same session anew, at most once an hour, so that most replies set
 * no cookie. Whether a session was ended elsewhere, only the app can know: its authenticate hook.
 */
#include "base/wire.h"
#include "data/data.h"
#include "web/cookie.h"
#include "web/web.h"
#include <stdarg.h>

#define SESSION_IDLE  (14 * PD_DAY)
#define SESSION_MOST  (30 * PD_DAY)
#define SESSION_FRESH PD_HOUR
#define FLASH_LIFE    (5 * PD_MINUTE)

enum { WIRE = 8 + 8 + 16 + 8 + 8, FLASH_MAX = 1024, FLOOR_WIRE = 8 + 8 + 8 + 8 };

static void session_write(const struct pd_session_data *s, uint8_t wire[WIRE])
{
    pd_wire_put_i64(wire, s->user_id);
    pd_wire_put_i64(wire + 8, s->org_id);
    memcpy(wire + 16, &s->id, sizeof s->id);
    pd_wire_put_i64(wire + 32, s->started);
    pd_wire_put_i64(wire + 40, s->seen);
}

static void session_parse(const uint8_t wire[WIRE], struct pd_session_data *s)
{
    s->user_id = pd_wire_get_i64(wire);
    s->org_id = pd_wire_get_i64(wire + 8);
    memcpy(&s->id, wire + 16, sizeof s->id);
    s->started = pd_wire_get_i64(wire + 32);
    s->seen = pd_wire_get_i64(wire + 40);
}

static pd_str cookie_text(struct pd_request *q, pd_str plain_name, pd_str host_name)
{
    return pd_cookie_find(pd_http_known(q->http, PD_H_COOKIE), q->secure ? host_name : plain_name);
}

void pd_session_read(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    const struct pd_web *w = q->web;
    pd_str text = cookie_text(q, w->session_cookie, w->host_session_cookie), plain;
    pd_time now = pd_time_now();
    if (!text.len ||
        !pd_sealer_open(&w->session, c->arena, text, now, SESSION_IDLE, &plain, NULL) ||
        plain.len != WIRE)
        return;
    session_parse((const uint8_t *)plain.ptr, &q->session);
    q->has_session = q->session.user_id > 0 && now - q->session.started < SESSION_MOST;
}

void pd_session_refresh(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    pd_time now = pd_time_now();
    if (now - q->session.seen < SESSION_FRESH)
        return;
    q->session.seen = now;
    q->session_action = PD_SESSION_REFRESH;
}

static void cookie_clear(struct pd_ctx *c, pd_str name)
{
    c->request->sets_cookie = true;
    pd_cookie_put(pd_reply_lines(c),
                  &(struct pd_cookie){ .name = name, .secure = c->request->secure });
}

void pd_session_start(struct pd_ctx *c, pd_id user_id, pd_id org_id)
{
    struct pd_request *q = pd_request_of(c, "pd_session_start");
    pd_assert(user_id > 0);
    pd_time now = pd_time_now();
    q->session = (struct pd_session_data){ user_id, org_id, pd_uuid_new(), now, now };
    q->has_session = true;
    c->user_id = user_id;
    c->org_id = org_id;
    q->session_action = PD_SESSION_START;
}

void pd_session_end(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_session_end");
    q->has_session = false;
    q->session_action = PD_SESSION_END;
}

/* A session that was started by a request that was then refused never was: what signed it in has
 * been rolled back. */
void pd_session_send(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    if (q->session_action == PD_SESSION_END) {
        cookie_clear(c, q->web->session_cookie);
        return;
    }
    if (q->session_action == PD_SESSION_START && q->status >= 400)
        return;
    uint8_t wire[WIRE];
    session_write(&q->session, wire);
    pd_time now = pd_time_now(), left = q->session.started + SESSION_MOST - now;
    pd_str plain = pd_str_n((const char *)wire, WIRE);
    pd_cookie_put(pd_reply_lines(c),
                  &(struct pd_cookie){
                      .name = q->web->session_cookie,
                      .value = pd_sealer_seal(&q->web->session, c->arena, plain, now),
                      .max_age_s = (left < SESSION_IDLE ? left : SESSION_IDLE) / PD_SECOND,
                      .secure = q->secure,
                  });
}

const struct pd_session_data *pd_session_get(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_session_get");
    return q->has_session ? &q->session : NULL;
}

pd_uuid pd_uuid_new(void)
{
    pd_uuid u;
    pd_os_random(u.b, sizeof u.b);
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

/* --- floor: system, position, timeline, until
 * -----------------------------------------------------
 */

static bool is_safe(const struct pd_request *q)
{
    return q->http->method == PD_GET || q->http->method == PD_HEAD;
}

static bool floor_open(struct pd_ctx *c, struct pd_floor *f)
{
    struct pd_request *q = c->request;
    const struct pd_web *w = q->web;
    pd_str text = cookie_text(q, w->floor_cookie, w->host_floor_cookie), plain;
    if (!text.len || !pd_sealer_open(&w->floor, c->arena, text, pd_time_now(), 0, &plain, NULL) ||
        plain.len != FLOOR_WIRE)
        return false;
    const uint8_t *wire = (const uint8_t *)plain.ptr;
    *f = (struct pd_floor){
        .system = (uint64_t)pd_wire_get_i64(wire),
        .lsn = (uint64_t)pd_wire_get_i64(wire + 8),
        .timeline = (uint32_t)pd_wire_get_i64(wire + 16),
        .until = pd_wire_get_i64(wire + 24),
    };
    return f->until > pd_time_now();
}

void pd_floor_read(struct pd_ctx *c)
{
    struct pd_floor f;
    bool has = floor_open(c, &f);
    if (has)
        pd_db_floor_heard(c->db, &f);
    if (is_safe(c->request))
        pd_ctx_read_replicas(c, has ? &f : NULL);
}

void pd_floor_send(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    struct pd_floor f;
    if (!pd_ctx_floor(c, &f)) {
        if (is_safe(q) || !c->statements)
            return;
        pd_db_floor_now(c->db, &f); /* a repeat that found its first attempt, an unknown outcome */
    }
    uint8_t wire[FLOOR_WIRE];
    pd_wire_put_i64(wire, (int64_t)f.system);
    pd_wire_put_i64(wire + 8, (int64_t)f.lsn);
    pd_wire_put_i64(wire + 16, f.timeline);
    pd_wire_put_i64(wire + 24, f.until);
    pd_time now = pd_time_now();
    pd_str plain = pd_str_n((const char *)wire, FLOOR_WIRE);
    q->sets_cookie = true;
    pd_cookie_put(pd_reply_lines(c),
                  &(struct pd_cookie){
                      .name = q->web->floor_cookie,
                      .value = pd_sealer_seal(&q->web->floor, c->arena, plain, now),
                      .max_age_s = (f.until - now) / PD_SECOND + 1,
                      .secure = q->secure,
                  });
}

/* --- flash: "kind" NUL "text" -------------------------------------------------------------------
 */

void pd_flash_set(struct pd_ctx *c, const char *kind, const char *fmt, ...)
{
    struct pd_request *q = pd_request_of(c, "pd_flash_set");
    char text[FLASH_MAX];
    int head = snprintf(text, sizeof text, "%s", kind);
    pd_assert(head >= 0 && head < 64);
    size_t from = (size_t)head + 1;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text + from, sizeof text - from, fmt, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text - from ? (size_t)n : sizeof text - from - 1;
    pd_str plain = pd_str_n(text, from + len);
    q->sets_cookie = true;
    pd_cookie_put(pd_reply_lines(c),
                  &(struct pd_cookie){
                      .name = q->web->flash_cookie,
                      .value = pd_sealer_seal(&q->web->flash, c->arena, plain, pd_time_now()),
                      .max_age_s = FLASH_LIFE / PD_SECOND,
                      .secure = q->secure,
                  });
}

pd_str pd_flash_take(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_flash_take");
    const struct pd_web *w = q->web;
    pd_str text = cookie_text(q, w->flash_cookie, w->host_flash_cookie), plain;
    if (!text.len)
        return PD_STR_NULL;
    cookie_clear(c, w->flash_cookie);
    if (!pd_sealer_open(&w->flash, c->arena, text, pd_time_now(), FLASH_LIFE, &plain, NULL))
        return PD_STR_NULL;
    size_t nul = pd_str_find(plain, '\0');
    if (nul == PD_NPOS)
        return PD_STR_NULL;
    q->flash_kind = pd_str_sub(plain, 0, nul);
    return pd_str_sub(plain, nul + 1, plain.len);
}

pd_str pd_flash_kind(struct pd_ctx *c)
{
    return pd_request_of(c, "pd_flash_kind")->flash_kind;
}

/* --- seals for the app ---------------------------------------------------------------------------
 */

/* Purposes of the app cannot collide with those of the platform. */
static void app_sealer(struct pd_ctx *c, const char *purpose, struct pd_sealer *s)
{
    char text[128];
    int n = snprintf(text, sizeof text, "app:%s", purpose);
    pd_assert(n > 4 && (size_t)n < sizeof text);
    pd_sealer_init(s, &pd_web_of(c, "pd_seal")->keys, pd_str_n(text, (size_t)n));
}

pd_str pd_seal(struct pd_ctx *c, const char *purpose, pd_str plain)
{
    struct pd_sealer s;
    if (plain.len > PD_SEAL_MAX) {
        pd_ctx_fail(c, pd_fail(PD_ETOOBIG, "at most %d bytes can be sealed", PD_SEAL_MAX));
        return PD_STR_NULL;
    }
    app_sealer(c, purpose, &s);
    return pd_sealer_seal(&s, c->arena, plain, pd_time_now());
}

bool pd_unseal(struct pd_ctx *c, const char *purpose, pd_str sealed, int64_t max_age_us,
               pd_str *plain)
{
    struct pd_sealer s;
    app_sealer(c, purpose, &s);
    return pd_sealer_open(&s, c->arena, sealed, pd_time_now(), max_age_us, plain, NULL);
}
