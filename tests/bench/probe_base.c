/* The machine's limits with base vectors: see the template. */
#include "probe_template.h"
