/* The machine's limits with avx2 vectors: see the template. */
#include "probe_template.h"
