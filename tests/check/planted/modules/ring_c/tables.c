/* tables.c - a private function by its address only. */
#include "stock/stock.h" //! PD-CHECK-052 PD-CHECK-053
typedef int (*op)(int);
extern const op ring_ops[];
const op ring_ops[] = { stock_secret }; //! PD-CHECK-054
