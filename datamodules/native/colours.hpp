// Red, green and blue of a row of a box, as libjpeg has them: colours smoothed, then converted.

#pragma once

#include "baseline.hpp"

class Colours {
  public:
    explicit Colours(const Baseline& image) : image(image), width(image.box.right - image.box.left) {
        for (auto& line : lines) line.resize(width + 2 + 32);
        sums.resize(width / 2 + 4 + 32);
    }

    // Row y of the image, from the box's left edge to its right one, into three planes.
    void row(int y, uint8_t* red, uint8_t* green, uint8_t* blue) {
        const uint8_t* light = image.components[0].row(image.box.left, y);
        if (image.count == 1) {
            for (uint8_t* plane : {red, green, blue}) std::memcpy(plane, light, width);
            return;
        }
        const uint8_t* cb = chrominance(image.components[1], y, lines[0]);
        const uint8_t* cr = chrominance(image.components[2], y, lines[1]);
        convert(light, cb, cr, red, green, blue);
    }

  private:
    const uint8_t* chrominance(const Component& c, int y, std::vector<uint8_t>& line) {
        if (image.across == 1) return c.row(image.box.left, y);
        return image.down == 1 ? smoothed<2, 1, 2>(c, y, y, line.data())
                               : smoothed<4, 8, 7>(c, y / 2, y & 1 ? y / 2 + 1 : y / 2 - 1, line.data());
    }

    // Twice as many columns, each three parts of its own value and one of the next (libjpeg-turbo:jdsample.c,
    // h2v1_fancy_upsample and h2v2_fancy_upsample); so of rows, where there are half as many.
    template <int SHIFT, int EVEN, int ODD>
    const uint8_t* smoothed(const Component& c, int near, int far, uint8_t* __restrict line) {
        const int first = image.box.left / 2, columns = (image.box.right - 1) / 2 - first + 1;
        const int from = first > 0 ? 0 : 1, until = first + columns < c.width ? columns + 2 : columns + 1;
        const uint8_t *row = c.row(first - 1, near), *next = c.row(first - 1, far);
        int16_t* sum = sums.data();  // begins one column before `first`
        for (int i = from; i < until; i += 16) {
            __m256i value = words(row + i);
            if (SHIFT == 4) value = _mm256_add_epi16(tripled(value), words(next + i));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum + i), value);
        }
        if (from) sum[0] = sum[1];
        if (until < columns + 2) sum[until] = sum[until - 1];
        for (int i = 0; i < columns; i += 16) {
            const __m256i three = tripled(shorts(sum + i + 1));
            const __m256i even = rounded<SHIFT, EVEN>(_mm256_add_epi16(three, shorts(sum + i)));
            const __m256i odd = rounded<SHIFT, ODD>(_mm256_add_epi16(three, shorts(sum + i + 2)));
            const __m256i both = _mm256_or_si256(even, _mm256_slli_epi16(odd, 8));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(line + 2 * i), both);
        }
        return line + (image.box.left & 1);
    }

    // libjpeg-turbo:jdcolor.c, ycc_rgb_convert: factors have 16 bits behind the point, of which here only those stand
    // that remain without whole ones; half of twice as much, rounded down both times, is what is rounded down once.
    void convert(const uint8_t* light, const uint8_t* cb, const uint8_t* cr, uint8_t* red, uint8_t* green,
                 uint8_t* blue) const {
        const __m256i middle = _mm256_set1_epi16(128), one = _mm256_set1_epi16(1);
        const __m256i greens = _mm256_set1_epi32(18734 << 16 | (-22554 & 0xFFFF)), half = _mm256_set1_epi32(32768);
        for (int x = 0; x < width; x += 16) {
            const __m256i y = words(light + x), b = _mm256_sub_epi16(words(cb + x), middle);
            const __m256i r = _mm256_sub_epi16(words(cr + x), middle);
            const __m256i twice_b = _mm256_add_epi16(b, b), twice_r = _mm256_add_epi16(r, r);
            const __m256i more_red = _mm256_mulhi_epi16(twice_r, _mm256_set1_epi16(26345));
            const __m256i less_blue = _mm256_mulhi_epi16(twice_b, _mm256_set1_epi16(-14942));
            const __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(b, r), greens);
            const __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi16(b, r), greens);
            const __m256i more_green = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(low, half), 16),
                                                          _mm256_srai_epi32(_mm256_add_epi32(high, half), 16));
            put(red + x, y, r, _mm256_srai_epi16(_mm256_add_epi16(more_red, one), 1));
            put(green + x, y, _mm256_sub_epi16(_mm256_setzero_si256(), r), more_green);
            put(blue + x, y, twice_b, _mm256_srai_epi16(_mm256_add_epi16(less_blue, one), 1));
        }
    }

    static __m256i words(const uint8_t* at) { return _mm256_cvtepu8_epi16(bytes(at)); }
    static __m256i shorts(const int16_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
    static __m256i tripled(__m256i a) { return _mm256_add_epi16(a, _mm256_add_epi16(a, a)); }
    template <int SHIFT, int HALF>
    static __m256i rounded(__m256i a) {
        return _mm256_srli_epi16(_mm256_add_epi16(a, _mm256_set1_epi16(HALF)), SHIFT);
    }
    static void put(uint8_t* to, __m256i a, __m256i b, __m256i c) {
        keep(to, as_bytes(_mm256_add_epi16(a, _mm256_add_epi16(b, c))));
    }

    const Baseline& image;
    const int width;
    std::vector<uint8_t> lines[2];
    std::vector<int16_t> sums;
};
