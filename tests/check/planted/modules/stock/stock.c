#include "stock/stock.h"
#include "../shop/inner.h" //! PD-CHECK-050 PD-CHECK-052
#include "shop_sql.h"      //! PD-CHECK-051
#if 0
#include "shop/inner.h" //! PD-CHECK-050
#endif
#define HEADER "shop/shop.h"
#include HEADER //! PD-CHECK-057

extern int shop_state(int n);

const int stock_key = 42;
int stock_secret(int n)
{
    return n + stock_key;
}
int stock_level(void)
{
    return shop_state(2); //! PD-CHECK-054
}
const struct pd_module stock_module = { .name = "stock" };
