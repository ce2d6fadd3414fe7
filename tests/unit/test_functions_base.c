/* Of the build that runs everywhere, which takes nothing of what the compiler allows beyond. */
#undef __AVX512F__
#undef __AVX2__
#undef __ARM_NEON
#include "functions.h"
