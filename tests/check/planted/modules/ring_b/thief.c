/* thief.c - takes by symbol what it may not include. */
extern int stock_secret(int n);
extern const int stock_key;
extern int stock_level(void);
int ring_thief(int n);
int ring_thief(int n)
{
    return stock_secret(n)  //! PD-CHECK-054 PD-CHECK-052
           + *&stock_key    //! PD-CHECK-054
           + stock_level();
}
