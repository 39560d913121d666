#pragma once
int ring_c(int n);
