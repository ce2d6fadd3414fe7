#include "cpu.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct isa {
	const struct vector_kernels *kernels;
	bool (*supported)(void);
};

static bool always(void)
{
	return true;
}

#if defined(__x86_64__)
/* The compiler's runtime asks the processor, and the system about the registers it saves. */
static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("fma");
}

/* The one of these that clang's __builtin_cpu_supports does not know. */
static bool has_f16c(void)
{
	unsigned a, b, c, d;
	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}
#endif

static const struct isa isa_table[] = {
#if defined(__x86_64__)
	{&vector_kernels_avx512, has_avx512},
	{&vector_kernels_avx2, has_avx2},
#elif defined(__aarch64__)
	{&vector_kernels_neon, always},
#endif
	{&vector_kernels_base, always},
};

#define N_ISAS (sizeof isa_table / sizeof isa_table[0])

const char *loss_isa_at(size_t i)
{
	return i < N_ISAS ? isa_table[i].kernels->isa : NULL;
}

const char *loss_isa_find(const char *name)
{
	for (size_t i = 0; i < N_ISAS; i++)
		if (strcmp(isa_table[i].kernels->isa, name) == 0 && isa_table[i].supported())
			return isa_table[i].kernels->isa;
	return NULL;
}

const char *loss_isa(void)
{
	return cpu_kernels(NULL)->isa;
}

const struct vector_kernels *cpu_kernels(const char *isa)
{
	size_t i = 0;
	while (i < N_ISAS - 1 &&
	       (isa ? isa_table[i].kernels->isa != isa : !isa_table[i].supported()))
		i++;
	return isa_table[i].kernels;
}
