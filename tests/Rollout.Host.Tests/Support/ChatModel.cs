using System.Text.Json;

namespace Rollout.Host.Tests.Support;

/// <summary>A model's folder without weights: a token for each byte, ChatML, and a context of 512 tokens.</summary>
internal static class ChatModel
{
    /// <summary>The id of the end of a turn, which ends a sample.</summary>
    public const int End = 257;

    public const int Vocabulary = 258;

    public const int Context = 512;

    /// <summary>Writes one into a new folder below another.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="template">Its chat template; null leaves it out.</param>
    public static string Write(TemporaryFolder folder, string? template = "<|im_start|> add_generation_prompt")
    {
        var path = folder.At($"chat-{Guid.NewGuid():N}");
        Directory.CreateDirectory(path);
        Write(path, "config.json", new
        {
            architectures = (string[])["Qwen3ForCausalLM"],
            model_type = "qwen3",
            vocab_size = Vocabulary,
            hidden_size = 32,
            intermediate_size = 64,
            num_hidden_layers = 2,
            num_attention_heads = 2,
            num_key_value_heads = 1,
            head_dim = 16,
            max_position_embeddings = Context,
            hidden_act = "silu",
            rms_norm_eps = 1e-6,
            rope_theta = 10000.0,
            tie_word_embeddings = true,
            eos_token_id = End,
            torch_dtype = "float32",
        });
        Write(path, "tokenizer_config.json", new { eos_token = "<|im_end|>", chat_template = template });
        var vocabulary = Enumerable.Range(0, 256).ToDictionary(value => Letter(value).ToString());
        string[] special = ["<|im_start|>", "<|im_end|>"];
        Write(path, "tokenizer.json", new
        {
            version = "1.0",
            added_tokens = special.Select((content, i) => new
            {
                id = 256 + i,
                content,
                single_word = false,
                lstrip = false,
                rstrip = false,
                normalized = false,
                special = true,
            }),
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = false },
            decoder = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = false },
            model = new { type = "BPE", ignore_merges = false, vocab = vocabulary, merges = Array.Empty<string>() },
        });
        return path;
    }

    /// <summary>The letter that GPT-2's byte-level alphabet writes a byte with.</summary>
    private static char Letter(int value)
    {
        static bool IsPlain(int value) => value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
        return (char)(IsPlain(value) ? value : 256 + Enumerable.Range(0, value).Count(one => !IsPlain(one)));
    }

    private static void Write(string folder, string name, object content) =>
        File.WriteAllText(Path.Combine(folder, name), JsonSerializer.Serialize(content));
}
