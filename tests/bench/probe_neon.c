/* The machine's limits with neon vectors: see the template. */
#include "probe_template.h"
