/* files.c - what holds the loop. */
#include "shop/inner.h"

#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static unsigned (*const OPS[])(unsigned) = { sleep, sleep }; //! PD-CHECK-030

static char *read_it(const char *path)
{
    char *text = malloc(64);
    FILE *f = fopen(path, "r");         //! PD-CHECK-030
    if (!f || !fgets(text, 64, f))      //! PD-CHECK-030
        return NULL;
    fclose(f);                          //! PD-CHECK-030
    return text;
}

static void lock_it(pthread_mutex_t *m)
{
    pthread_mutex_lock(m); //! PD-CHECK-030
    usleep(5);             //! PD-CHECK-030
    pthread_mutex_unlock(m);
}

static inline int save(int fd, const char *text)
{
    ssize_t n = write(fd, text, strlen(text)); //! PD-CHECK-030
    return n < 0 || flock(fd, LOCK_EX) ||      //! PD-CHECK-030
           fsync(fd);                          //! PD-CHECK-030
}

static void hash(const char *text)
{
    char out[crypto_pwhash_STRBYTES];
    crypto_pwhash_str(out, text, strlen(text), 3, 1 << 20); //! PD-CHECK-031
}

static void look_up(const char *host)
{
    struct addrinfo *found = NULL;
    typeof(getaddrinfo) *ask = getaddrinfo; ask(host, "80", NULL, &found); //! PD-CHECK-030
}

static int remember(char *text)
{
    setenv("SHOP_LAST", text, 1);                  //! PD-CHECK-014
    srand(7);                                      //! PD-CHECK-014
    time_t now = 0;
    return rand() + (strtok(text, ",") != NULL) +  //! PD-CHECK-014 PD-CHECK-014
           localtime(&now)->tm_year;               //! PD-CHECK-014
}

pd_status shop_take_files(struct pd_ctx *c)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    char *text = read_it("/etc/hosts");
    lock_it(&m);
    hash(text);
    c->org_id = remember(text);
    look_up("localhost");
    printf("served %d\n", save(1, text)); //! PD-CHECK-030
    usleep(1); /* blocking ok: */ //! PD-CHECK-004 PD-CHECK-030
    return OPS[c->user_id & 1](1) ? pd_not_found(c) : pd_no_content(c);
}
