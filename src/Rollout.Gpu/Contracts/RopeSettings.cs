namespace Rollout.Gpu.Contracts;

/// <summary>
/// How rotary frequencies are scaled for longer contexts; the names are those of rope_type in config.json.
/// </summary>
public enum RopeType
{
    /// <summary>Frequencies as they are.</summary>
    Default,

    /// <summary>All frequencies divided by the factor (position interpolation).</summary>
    Linear,

    /// <summary>Low frequencies divided by the factor, high ones kept, a smooth passage between (Llama 3.1).</summary>
    Llama3,
}

/// <summary>The rotary position embedding that config.json describes.</summary>
public sealed record RopeSettings
{
    public RopeType Type { get; init; } = RopeType.Default;

    /// <summary>The base of the geometric series of wavelengths.</summary>
    public double Theta { get; init; } = 10_000;

    /// <summary>linear, llama3: the factor by which the context was stretched.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>llama3: wavelengths above original_max_position_embeddings / this are divided by the factor.</summary>
    public double LowFreqFactor { get; init; } = 1;

    /// <summary>llama3: wavelengths below original_max_position_embeddings / this are kept.</summary>
    public double HighFreqFactor { get; init; } = 4;

    /// <summary>llama3: the context length, in tokens, before it was stretched.</summary>
    public int OriginalMaxPositionEmbeddings { get; init; } = 8192;

    /// <summary>
    /// [head_dim / 2] radians per position. Default: theta^(−2i / head_dim) (Su et al. 2021, arXiv
    /// 2104.09864); linear divides by the factor (arXiv 2306.15595); llama3 as transformers'
    /// modeling_rope_utils. Computed in single precision like there, so that the angles are the same numbers.
    /// </summary>
    public float[] InverseFrequencies(int headDim)
    {
        var frequencies = new float[headDim / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            var frequency = 1f / MathF.Pow((float)Theta, 2f * i / headDim);
            frequencies[i] = Type switch
            {
                RopeType.Linear => frequency / (float)Factor,
                RopeType.Llama3 => Llama3(frequency),
                _ => frequency,
            };
        }

        return frequencies;
    }

    private float Llama3(float frequency)
    {
        var wavelength = 2 * MathF.PI / frequency;
        if (wavelength > OriginalMaxPositionEmbeddings / (float)LowFreqFactor)
            return frequency / (float)Factor;
        if (wavelength < OriginalMaxPositionEmbeddings / (float)HighFreqFactor)
            return frequency;

        var smooth = (OriginalMaxPositionEmbeddings / wavelength - (float)LowFreqFactor)
            / (float)(HighFreqFactor - LowFreqFactor);
        return (1 - smooth) * frequency / (float)Factor + smooth * frequency;
    }
}
