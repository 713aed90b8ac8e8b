using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>The parts that a decoder is built from.</summary>
/// <param name="Id">Its host and device.</param>
/// <param name="CreateRunner">Loads the model; called on the decoder's own thread, which alone uses the runner.</param>
/// <param name="MaxModelLength">The most tokens that a sequence can have.</param>
/// <param name="StaticBatch">The padded baseline (see <see cref="EngineLimits.StaticBatch"/>).</param>
/// <param name="PrefixCaching">Prompts use blocks of earlier prompts with the same prefix.</param>
/// <param name="Weights">Where its weights come from.</param>
/// <param name="Tokenizer">The model's tokenizer, which finds stop texts; null if it has none.</param>
public sealed record DecoderSetup(
    DecoderId Id,
    Func<IModelRunner> CreateRunner,
    int MaxModelLength,
    bool StaticBatch,
    bool PrefixCaching,
    PolicySource Weights,
    HuggingFaceTokenizer? Tokenizer = null)
{
    /// <summary>Check the ledger after every step, and fail on an imbalance; always on in debug builds.</summary>
    public bool Audited { get; init; }

    /// <summary>The fingerprint of model and tokenizer, equal for all decoders and clients of a cluster.</summary>
    public string Fingerprint { get; init; } = "";

    /// <summary>Decoders that its host runs, this one among them.</summary>
    public int DecodersOfHost { get; init; } = 1;

    /// <summary>Creates the engine, which owns the runner from then on.</summary>
    /// <param name="runner">From <see cref="CreateRunner"/>.</param>
    /// <param name="settings">The section decoder.</param>
    /// <param name="policy">The policy that the runner's weights are; null for weights from disk.</param>
    /// <param name="stepFailed">Called with the fault of a failed step.</param>
    public DecodeEngine CreateEngine(
        IModelRunner runner, DecoderSettings settings, Policy? policy, Action<Exception> stepFailed)
    {
        var limits = new EngineLimits
        {
            MaxNumSeqs = settings.MaxNumSeqs,
            MaxNumBatchedTokens = settings.MaxNumBatchedTokens,
            MaxModelLength = MaxModelLength,
            MaxStepRetries = settings.MaxStepRetries,
            StaticBatch = StaticBatch,
        };
        return new DecodeEngine(runner, limits, policy, Tokenizer) { StepFailed = stepFailed };
    }
}
