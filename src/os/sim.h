/* sim.h - the simulation's remote control, for tests.
 *
 *     pd_sim_begin(seed, &pd_sim_rough);          // a new world at its beginning
 *     PD_TRY(pd_loop_main(NULL, scenario, NULL));  // servers and clients are fibers of one loop
 *     printf("%016lx\n", pd_sim_trace_hash());     // same seed, same program -> same number
 *
 * Virtual time stands still while code runs, moves by a microsecond at each poll, and jumps to the
 * next event when nothing is ready. Sockets connect listeners and clients of this process. What the
 * seed draws: delays, how many bytes a read or write moves, resets, slow connections, refused and
 * late accepts, the order of ready events and of ready fibers, when offloaded jobs run.
 *
 * PD_SIM_SEED in the environment is the seed of a world nobody began; PD_SIM_TRACE=1 writes every
 * event to stderr: two runs that should be equal are compared with diff. One thread only.
 */
#ifndef PD_SIM_H
#define PD_SIM_H

#include "os/os.h"

/* Probabilities are per mille; 0 is never. Times in microseconds. */
struct pd_sim_knobs {
    int64_t delay_min, delay_max;     /* one way; each connection has its own between these */
    int64_t accept_max;               /* until a connection shows up at its listener */
    int64_t job_min, job_max;         /* until an offloaded job runs */
    unsigned short_read, short_write; /* of calls: move fewer bytes than they could */
    unsigned reset;                   /* of connections: broken after some bytes */
    unsigned slow;                    /* of connections: 50 times the delay, 512 bytes of window */
    unsigned refuse;                  /* of connects */
    unsigned hold_back;               /* of polls: report only some of what is ready */
};
extern const struct pd_sim_knobs pd_sim_calm;  /* nothing goes wrong; order is still drawn */
extern const struct pd_sim_knobs pd_sim_rough; /* everything does, often */

/* Throws the old world away (no poll or socket of it may be in use) and begins at time 0. */
void pd_sim_begin(uint64_t seed, const struct pd_sim_knobs *knobs); /* NULL: pd_sim_rough */
/* The next n draws are these bytes, each standing for its share of 256, and only then the seed's: a
 * fuzzer plays the kernel with them. They are not copied. */
void pd_sim_script(const void *bytes, size_t n);
/* A world that is not over after so many polls, or so much of its time, never will be: the loop
 * then lists its fibers and panics. 0: no limit, as a new world has none. */
void pd_sim_limit(uint64_t polls, int64_t us);
uint64_t pd_sim_seed(void);
/* Of every event so far: what was polled, every byte that moved, when. */
uint64_t pd_sim_trace_hash(void);

/* For scenarios: 0 ... n-1 from the seed, n > 0; true in `per_mille` of 1000 cases. */
uint64_t pd_sim_random(uint64_t n);
bool pd_sim_chance(unsigned per_mille);
/* Adds a fact of the scenario to the trace. */
void pd_sim_note(const char *what, uint64_t value);
/* The running code takes this long. */
void pd_sim_spend(int64_t us);
/* Breaks a connection now, as a reset from outside would. */
void pd_sim_break(pd_os_sock s);
/* As if the process had got this signal. */
void pd_sim_signal(int signo);

struct pd_sim_stats {
    uint64_t events, polls, connects, refused, resets, bytes, short_reads, short_writes, jobs;
    unsigned sockets; /* open now */
};
struct pd_sim_stats pd_sim_stats(void);

#endif
