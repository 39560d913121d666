#pragma once
int ring_b(int n);
