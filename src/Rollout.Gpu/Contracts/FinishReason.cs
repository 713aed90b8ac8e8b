namespace Rollout.Gpu.Contracts;

/// <summary>Why a sequence finished.</summary>
public enum FinishReason
{
    /// <summary>It sampled an end-of-sequence or stop token, or completed a stop text.</summary>
    Stop,

    /// <summary>It reached its max tokens.</summary>
    Length,
}

/// <summary>The words of finish reasons.</summary>
public static class FinishReasons
{
    /// <summary>"stop" or "length", as in OpenAI's completions.</summary>
    public static string ToWord(this FinishReason reason) => reason == FinishReason.Stop ? "stop" : "length";
}
