#include "probe.h"

#include <string.h>

/* The first one is taken where none fits: it runs everywhere. */
static const struct probe *const probes[] = {
	&probe_base,
#if defined(__x86_64__)
	&probe_avx2,
	&probe_avx512,
#elif defined(__aarch64__)
	&probe_neon,
#endif
};

const struct probe *probe_find(const char *isa)
{
	for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++)
		if (strcmp(probes[i]->isa, isa) == 0)
			return probes[i];
	return probes[0];
}
