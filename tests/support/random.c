/* SplitMix64 (Steele, Lea, Flood 2014): an additive counter, well mixed. */
#include "random.h"

#include <stdlib.h>

static uint64_t current_seed;

struct random random_start(uint64_t seed)
{
	const char *chosen = getenv("LOSSD_SEED");
	if (chosen != NULL && *chosen != '\0')
		seed = strtoull(chosen, NULL, 0);
	current_seed = seed;
	return (struct random){.state = seed, .seed = seed};
}

uint64_t random_seed(void)
{
	return current_seed;
}

uint64_t random_bits(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

size_t random_below(struct random *random, size_t n)
{
	return (size_t)(random_bits(random) % n);
}

double random_uniform(struct random *random, double low, double high)
{
	return low + (high - low) * ((double)(random_bits(random) >> 11) * 0x1p-53);
}

bool random_chance(struct random *random, double probability)
{
	return random_uniform(random, 0, 1) < probability;
}

double random_normal(struct random *random)
{
	double sum = -6;
	for (int i = 0; i < 12; i++)
		sum += random_uniform(random, 0, 1);
	return sum;
}

void random_order(struct random *random, size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t j = random_below(random, i + 1);
		order[i] = order[j];
		order[j] = i;
	}
}
