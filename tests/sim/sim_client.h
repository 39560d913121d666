/* sim_client.h - an HTTP client of a few lines, for the simulation only.
 *
 * It is deliberately not pando's own client: the simulation must not check the house with the
 * house's own ruler. One connection, one request at a time, answers with Content-Length or chunked.
 * All functions yield and obey the fiber's deadline. An error leaves the connection unusable:
 * reopen.
 */
#ifndef PD_SIM_CLIENT_H
#define PD_SIM_CLIENT_H

#include "run/loop.h"

struct sim_client {
    struct pd_io io;
    bool open;
    char cookie[1024];   /* "name=value" of the session, kept over reconnects */
    const char *headers; /* further lines of every request, each with its end; NULL: none */
    const char *foreign; /* what no byte sent to this client may contain; NULL: not looked for */
    bool betrayed;       /* it was seen */
    char buf[64 << 10];
    size_t len, used; /* used: bytes of the answer given last */
};

struct sim_answer {
    int status;
    pd_str body; /* in the client's buffer: valid until the next request */
};

pd_err sim_client_open(struct sim_client *cl, uint16_t port) PD_MUST PD_YIELDS;
void sim_client_close(struct sim_client *cl);

/* Sends `method path` with a JSON body (null: none) and reads the whole answer. */
pd_err sim_client_call(struct sim_client *cl, const char *method, const char *path, pd_str body,
                       struct sim_answer *out) PD_MUST PD_YIELDS;

/* Sends GETs for all of `paths` at once; their answers are read one by one with sim_client_next. */
pd_err sim_client_pipeline(struct sim_client *cl, const char *const *paths,
                           unsigned n) PD_MUST PD_YIELDS;
pd_err sim_client_next(struct sim_client *cl, struct sim_answer *out) PD_MUST PD_YIELDS;

/* Sends the request and hangs up without having read anything. */
void sim_client_abandon(struct sim_client *cl, const char *method, const char *path,
                        pd_str body) PD_YIELDS;

/* Sends `bytes` in pieces of `piece` bytes with `pause_us` between them; does not read. */
pd_err sim_client_trickle(struct sim_client *cl, pd_str bytes, size_t piece,
                          int64_t pause_us) PD_MUST PD_YIELDS;

/* The value of "key":"…" or "key":number at any depth, first occurrence; null if it is not there.
 */
pd_str sim_json_value(pd_str json, const char *key);

#endif
