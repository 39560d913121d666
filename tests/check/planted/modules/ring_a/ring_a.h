#pragma once
int ring_a(int n);
