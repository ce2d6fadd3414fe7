/* The build that runs everywhere: it takes nothing of what the compiler would allow it beyond. */
#undef __AVX512F__
#undef __AVX2__
#undef __ARM_NEON
#include "vector_template.h"
