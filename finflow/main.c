/* main.c - the program. */
#include "app.h"

int main(int argc, char **argv)
{
    return pd_app_main(&finflow_app, argc, argv);
}
