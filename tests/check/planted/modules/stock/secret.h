#pragma once
int stock_secret(int n);
extern const int stock_key;
