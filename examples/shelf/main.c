/* main.c - the program. */
#include "app.h"

int main(int argc, char **argv)
{
    return pd_app_main(&shelf_app, argc, argv);
}
