// The inverse discrete cosine transform of libjpeg (libjpeg-turbo:jidctint.c), the columns of a block side by side.

#pragma once

#include "bytes.hpp"

typedef int Row __attribute__((vector_size(32), may_alias));  // 8 coefficients or pixels

inline __m256i as_integers(Row row) { return reinterpret_cast<__m256i>(row); }
inline Row as_row(__m256i integers) { return reinterpret_cast<Row>(integers); }

// Of every column; constants have 13 bits behind the point, and SHIFT bits are rounded off in the end.
template <int SHIFT>
__attribute__((always_inline)) inline void inverse(Row* v) {
    const int half = 1 << (SHIFT - 1);
    const Row z1 = (v[2] + v[6]) * 4433;
    const Row e0 = ((v[0] + v[4]) << 13) + half, e1 = ((v[0] - v[4]) << 13) + half;
    const Row e2 = z1 - v[6] * 15137, e3 = z1 + v[2] * 6270;
    const Row t0 = e0 + e3, t1 = e1 + e2, t2 = e1 - e2, t3 = e0 - e3;
    const Row z5 = (v[7] + v[3] + v[5] + v[1]) * 9633;
    const Row a1 = (v[7] + v[1]) * -7373, a2 = (v[5] + v[3]) * -20995;
    const Row a3 = (v[7] + v[3]) * -16069 + z5, a4 = (v[5] + v[1]) * -3196 + z5;
    const Row o0 = v[7] * 2446 + a1 + a3, o1 = v[5] * 16819 + a2 + a4;
    const Row o2 = v[3] * 25172 + a2 + a3, o3 = v[1] * 12299 + a1 + a4;
    v[0] = (t0 + o3) >> SHIFT, v[7] = (t0 - o3) >> SHIFT;
    v[1] = (t1 + o2) >> SHIFT, v[6] = (t1 - o2) >> SHIFT;
    v[2] = (t2 + o1) >> SHIFT, v[5] = (t2 - o1) >> SHIFT;
    v[3] = (t3 + o0) >> SHIFT, v[4] = (t3 - o0) >> SHIFT;
}

// What is not 0 where a value lies outside -16384..16383: libjpeg's own 16 bits might then overflow.
inline Row beyond(const Row* v) {
    Row found{};
    for (int i = 0; i < 8; i++) found |= v[i] + 16384;
    return found & ~32767;
}

__attribute__((always_inline)) inline void transpose(Row* v) {
    __m256i t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(as_integers(v[i]), as_integers(v[i + 1]));
        t[i + 1] = _mm256_unpackhi_epi32(as_integers(v[i]), as_integers(v[i + 1]));
    }
    for (int i : {0, 4}) {
        u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]), u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]), u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        v[i] = as_row(_mm256_permute2x128_si256(u[i], u[i + 4], 0x20));
        v[i + 4] = as_row(_mm256_permute2x128_si256(u[i], u[i + 4], 0x31));
    }
}

// Of four columns of 8 pixels, cut off to 0..255: the first four rows in one half, the others in the other.
inline __m256i four_columns(const Row* v) {
    const __m256i left = _mm256_packs_epi32(as_integers(v[0]), as_integers(v[1]));
    const __m256i right = _mm256_packs_epi32(as_integers(v[2]), as_integers(v[3]));
    const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm256_shuffle_epi8(_mm256_packus_epi16(left, right), _mm256_broadcastsi128_si256(order));
}

inline void store(uint8_t* to, __m128i two_rows, int64_t stride) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), two_rows);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + stride), _mm_unpackhi_epi64(two_rows, two_rows));
}

// Pixels of 64 coefficients, in rows `stride` apart; `wrong` is not 0 afterwards if they are not sure to be libjpeg's.
inline void pixels_of(const int16_t* block, const Row* quantization, uint8_t* out, int64_t stride, Row& wrong) {
    Row v[8];
    for (int i = 0; i < 8; i++)
        v[i] = as_row(_mm256_cvtepi16_epi32(reinterpret_cast<const __m128i*>(block)[i])) * quantization[i];
    wrong |= beyond(v);
    inverse<11>(v);
    wrong |= beyond(v);
    transpose(v);
    inverse<18>(v);
    for (int i = 0; i < 8; i++) v[i] += 128;
    const __m256i left = four_columns(v), right = four_columns(v + 4);
    const __m256i rows0145 = _mm256_unpacklo_epi32(left, right), rows2367 = _mm256_unpackhi_epi32(left, right);
    store(out, _mm256_castsi256_si128(rows0145), stride);
    store(out + 2 * stride, _mm256_castsi256_si128(rows2367), stride);
    store(out + 4 * stride, _mm256_extracti128_si256(rows0145, 1), stride);
    store(out + 6 * stride, _mm256_extracti128_si256(rows2367, 1), stride);
}
