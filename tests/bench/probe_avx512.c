/* The machine's limits with avx512 vectors: see the template. */
#include "probe_template.h"
