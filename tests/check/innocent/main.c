#include <pando/pando.h>
#include <stdio.h>
#include <stdlib.h>
extern const struct pd_app app;
int main(int argc, char **argv)
{
    if (argc > 9)
        puts(getenv("HOME"));
    return pd_app_main(&app, argc, argv);
}
