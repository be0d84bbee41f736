// Sixteen bytes at once, and memory that only grows.

#pragma once

#include <immintrin.h>

#include <cstdint>
#include <vector>

#ifndef __AVX2__
#error "the processor has no AVX2"
#endif

inline __m128i bytes(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
inline void keep(uint8_t* at, __m128i bytes) { _mm_storeu_si128(reinterpret_cast<__m128i*>(at), bytes); }

// Words of 16 bits cut off to 0..255.
inline __m128i as_bytes(__m256i words) {
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// What it holds stays as long as it need not grow.
inline void grow(std::vector<uint8_t>& memory, int64_t size) {
    if (int64_t(memory.size()) < size) memory.resize(size);
}
