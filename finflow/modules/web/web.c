/* web.c - the routes of the pages, and the page for errors. */
#include "web/pages.h"

pd_status web_error_page(struct pd_ctx *c, int status, pd_str title, pd_str detail)
{
    struct web_error_view view = { .status = status, .heading = title, .detail = detail };
    /* Nothing is asked of the database here: it may be what failed. */
    return web_error_render(c, status, &view);
}

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/", web_show_landing, .doc = "Landing page" },
    { PD_GET_, "/signup", web_show_signup, .doc = "Sign-up form" },
    { PD_POST_, "/signup", web_take_signup, .doc = "Sign up" },
    { PD_GET_, "/login", web_show_login, .doc = "Sign-in form" },
    { PD_POST_, "/login", web_take_login, .doc = "Sign in" },
    { PD_POST_, "/logout", web_take_logout, .doc = "Sign out" },
    { PD_GET_, "/dashboard", web_show_dashboard, .auth = PD_AUTH_USER, .doc = "Overview" },
    { PD_GET_, "/accounts", web_show_accounts, .auth = PD_AUTH_USER, .doc = "Accounts" },
    { PD_GET_, "/accounts/new", web_show_account_new, .auth = PD_AUTH_WRITER,
      .doc = "Form of a new account" },
    { PD_POST_, "/accounts/new", web_take_account_new, .auth = PD_AUTH_WRITER,
      .doc = "Open an account" },
    { PD_GET_, "/accounts/{id:id}", web_show_account, .auth = PD_AUTH_USER, .doc = "One account" },
    { PD_GET_, "/accounts/{id:id}/deposit", web_show_deposit, .auth = PD_AUTH_WRITER,
      .doc = "Form to put money in" },
    { PD_POST_, "/accounts/{id:id}/deposit", web_take_deposit, .auth = PD_AUTH_WRITER,
      .doc = "Put money in" },
    { PD_GET_, "/transactions", web_show_transactions, .auth = PD_AUTH_USER,
      .doc = "Transactions" },
    { PD_POST_, "/transactions/{id:id}/category", web_take_category_pick, .auth = PD_AUTH_WRITER,
      .doc = "Choose a category" },
    { PD_GET_, "/transfers/new", web_show_transfer_new, .auth = PD_AUTH_WRITER,
      .doc = "Form of a new transfer" },
    { PD_POST_, "/transfers/new", web_take_transfer_new, .auth = PD_AUTH_WRITER,
      .doc = "Confirm a transfer" },
    { PD_POST_, "/transfers", web_take_transfer, .auth = PD_AUTH_WRITER, .doc = "Send a transfer" },
    { PD_GET_, "/transfers/{id:uuid}", web_show_transfer, .auth = PD_AUTH_USER, .doc = "Receipt" },
    { PD_GET_, "/categories", web_show_categories, .auth = PD_AUTH_USER, .doc = "Categories" },
    { PD_POST_, "/categories", web_take_category, .auth = PD_AUTH_WRITER, .doc = "Add a category" },
    { PD_POST_, "/categories/usual", web_take_usual_categories, .auth = PD_AUTH_WRITER,
      .doc = "Add the usual categories" },
    { PD_GET_, "/reports", web_show_report, .auth = PD_AUTH_USER, .doc = "Monthly report" },
};

const struct pd_module web_module = {
    .name = "web",
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
};
